//! Clients that mean harm or are broken: everyone gets a fault in one shape, and nobody else notices.

use std::{
    io::Write,
    net::TcpStream,
    sync::Arc,
    time::{Duration, Instant},
};

use crate::server::{Server, TOKEN, guarded, keeping, parts, read_answer, request, settings};
use infalign_serve::{Parts, Settings};
use serde_json::json;

#[test]
fn malformed_requests_get_a_fault_in_json() {
    let mut settings = settings();
    settings.limits.body = 10_000;
    let server = Server::start(settings, parts());
    let post = |body: &[u8]| server.send("POST", "/v1/rewards", body).fault();
    let deep = |depth: usize| {
        let nested = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        format!("{{\"query\": [\"a\"], \"labels\": [{nested}]}}")
    };
    for (answer, status, code) in [
        (post(b"{\"prompt_ids\": [\"\xff\xfe\"]}"), 400, "not_utf8"),
        (post(b"{\"prompt_ids\": "), 400, "bad_json"),
        (post(b""), 400, "bad_json"),
        (
            post(b"{\"prompt_ids\": [\"\\ud800\"], \"raw\": [1]}"),
            400,
            "bad_json",
        ),
        (post(&[b'['; 9_000]), 400, "bad_json"),
        (post(&[b' '; 10_001]), 413, "body_too_large"),
        (
            server
                .send("POST", "/get_reward", deep(200).as_bytes())
                .fault(),
            400,
            "bad_json",
        ),
        (
            server
                .send("POST", "/get_reward", deep(4_000).as_bytes())
                .fault(),
            400,
            "bad_json",
        ),
        (
            server.send("DELETE", "/v1/rewards", b"").fault(),
            405,
            "no_such_method",
        ),
    ] {
        assert_eq!(answer, (status, code.to_owned()));
    }
    for path in [
        "/",
        "/../../etc/passwd",
        "/v1/../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/v1/rewards/..%2f",
        "//etc/passwd",
        "/metrics/../x",
    ] {
        assert_eq!(
            server.get(path).fault(),
            (404, "no_such_route".into()),
            "{path}"
        );
    }
    let plain = b"POST /v1/rewards HTTP/1.1\r\nHost: h\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}";
    assert_eq!(server.say(plain).fault(), (415, "not_json".into()));
    let chunked = format!(
        "POST /v1/rewards HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{}\r\n0\r\n\r\n",
        10_001,
        " ".repeat(10_001)
    );
    assert_eq!(
        server.say(chunked.as_bytes()).fault(),
        (413, "body_too_large".into())
    );
}

#[test]
fn heads_that_cannot_be_read_get_the_same_shape() {
    let server = Server::start(settings(), parts());
    let flood: String = (0..500).map(|i| format!("x-{i}: y\r\n")).collect();
    let large = format!("x: {}\r\n", "y".repeat(100_000));
    let long = format!("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", "a".repeat(70_000));
    for (bytes, status) in [
        (
            format!("GET /healthz HTTP/1.1\r\nHost: h\r\n{flood}\r\n"),
            431,
        ),
        (
            format!("GET /healthz HTTP/1.1\r\nHost: h\r\n{large}\r\n"),
            431,
        ),
        ("nonsense\r\n\r\n".to_owned(), 400),
        (
            "GET /healthz HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n".to_owned(),
            400,
        ),
    ] {
        let answer = server.say(bytes.as_bytes());
        assert_eq!(answer.fault().0, status, "{answer:?}");
    }
    assert!((400..500).contains(&server.say(long.as_bytes()).fault().0));
    // A head in another form than HTTP's is no request at all.
    let tls = server.say(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03");
    assert!(tls.status == 400 || tls.status == 0, "{tls:?}");
    assert_eq!(server.get("/healthz").status, 200);
}

#[test]
fn only_a_token_opens() {
    let server = Server::start(guarded(), parts());
    let body = json!({"prompt_ids": ["p0"], "raw": [1]}).to_string();
    let ask = |headers: &str| {
        server
            .say(&request("POST", "/v1/rewards", headers, body.as_bytes()))
            .status
    };
    assert_eq!(ask(&format!("Authorization: Bearer {TOKEN}\r\n")), 200);
    // http://any:TOKEN@host/…, as OpenRLHF's client sends it on.
    assert_eq!(
        ask("Authorization: Basic YW55OnRva2VuLXRoYXQtbm9ib2R5LW1heS1zZWU=\r\n"),
        200
    );
    for wrong in [
        "",
        "Authorization: Bearer token\r\n",
        "Authorization: Bearer \r\n",
        "Authorization: \u{e9}\r\n",
    ] {
        assert_eq!(ask(wrong), 401, "{wrong}");
    }
    for (path, status) in [
        ("/healthz", 200),
        ("/readyz", 200),
        ("/metrics", 401),
        ("/openapi.json", 401),
        ("/v1/calibrations", 401),
    ] {
        let answer = server.say(format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n").as_bytes());
        assert_eq!(answer.status, status, "{path}");
        assert_eq!(
            answer.head.contains("www-authenticate: bearer"),
            status == 401
        );
    }
}

#[test]
fn nothing_that_is_secret_is_said() {
    let (log, lines) = keeping();
    let parts = Parts {
        log: Some(log),
        ..parts()
    };
    let server = Server::start(guarded(), parts);
    let secret = "the-secret-text";
    let mut said = String::new();
    let bearer = format!("Authorization: Bearer {TOKEN}\r\n");
    for headers in [
        bearer.as_str(),
        "Authorization: Bearer the-secret-text\r\n",
        "",
    ] {
        for (method, path, body) in [
            (
                "POST",
                "/v1/rewards",
                json!({"prompts": [secret], "responses": [secret]}),
            ),
            (
                "POST",
                "/v1/rewards",
                json!({"prompt_ids": ["p0"], "responses": [secret]}),
            ),
            (
                "POST",
                "/v1/rewards",
                json!({"prompts": secret, "responses": [secret]}),
            ),
            (
                "POST",
                "/v1/rewards",
                json!({"prompts": [secret], "raw": [secret]}),
            ),
            ("POST", "/v1/rewards", json!(secret)),
            (
                "POST",
                "/v1/rewards",
                json!({"prompt_ids": [{"text": secret}], "raw": [1]}),
            ),
            (
                "POST",
                "/get_reward",
                json!({"query": [secret], "prompts": [secret], "labels": [""]}),
            ),
            (
                "POST",
                "/get_reward",
                json!({"query": [secret], "prompts": ["other"], "labels": [[secret]]}),
            ),
            ("POST", "/get_reward", json!({"query": secret})),
            ("POST", "/classify", json!({"input": secret})),
            ("POST", "/classify", json!({"input": {"text": secret}})),
            ("POST", "/v1/embeddings", json!({"input": [secret]})),
            (
                "POST",
                "/v1/calibrations",
                json!({"prompts": [secret], "rewards": [[]]}),
            ),
            (
                "POST",
                "/v1/calibrations",
                json!({"prompts": [secret, secret], "rewards": [[1], [1]]}),
            ),
            (
                "PUT",
                "/v1/transform",
                json!({"transform": "log", "the-secret": 1}),
            ),
            ("GET", "/the-secret-text", json!({})),
        ] {
            let answer = server.say(&request(method, path, headers, body.to_string().as_bytes()));
            said += &format!("{}\n{}\n", answer.head, answer.body);
        }
        said += &server
            .say(&request(
                "POST",
                "/v1/rewards",
                headers,
                b"{\"the-secret-text\" \xff",
            ))
            .body;
        said += &server
            .say(&request(
                "POST",
                "/v1/rewards",
                headers,
                b"[\"the-secret-text\"",
            ))
            .body;
    }
    said += &server.get("/metrics").body;
    said += &server.get("/openapi.json").body;
    let logged = lines.lock().unwrap().join("\n");
    assert!(
        logged.contains(r#""route":"/v1/rewards","status":401"#),
        "{logged}"
    );
    assert!(logged.contains(r#""code":"unknown_prompt""#), "{logged}");
    for (place, text) in [("answers", &said), ("log", &logged)] {
        for word in [TOKEN, "secret"] {
            assert!(!text.contains(word), "`{word}` in the {place}: {text}");
        }
    }
}

#[test]
fn prompts_are_logged_when_they_are_asked_for() {
    let (log, lines) = keeping();
    let parts = Parts {
        log: Some(log),
        ..parts()
    };
    let settings = Settings {
        log_prompts: true,
        ..settings()
    };
    let server = Server::start(settings, parts);
    server.post(
        "/v1/rewards",
        &json!({"prompt_ids": ["p0"], "responses": ["x"]}),
    );
    let lines = lines.lock().unwrap();
    assert!(
        lines
            .iter()
            .any(|line| line.contains(r#""items":1,"prompts":["p0"]"#)),
        "{lines:?}"
    );
}

/// Lets the process hold `wanted` handles, as far as the system lets it; how many idle connections that is good for.
fn handles(wanted: u64) -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.unwrap_or(wanted).min(wanted);
    if limit.current.is_some_and(|current| current < most) {
        let raised = Rlimit {
            current: Some(most),
            maximum: limit.maximum,
        };
        setrlimit(Resource::Nofile, raised).unwrap();
    }
    // Both ends are in this process.
    let now = getrlimit(Resource::Nofile).current.unwrap_or(wanted);
    usize::try_from((now.saturating_sub(200)) / 2)
        .unwrap()
        .min(2_000)
}

#[test]
fn idle_and_slow_connections_stop_nobody() {
    let idle = handles(4_500);
    if idle < 2_000 {
        // The system gives fewer handles; the test then says less, but the same.
        assert!(idle > 50, "{idle}");
    }
    let mut settings = settings();
    settings.limits.head = Duration::from_secs(60);
    let server = Server::start(settings, parts());
    let connections: Vec<TcpStream> = (0..idle).map(|_| server.connect()).collect();
    // Slow loris: a head, and a body, that never end.
    let mut slow: Vec<TcpStream> = (0..20).map(|_| server.connect()).collect();
    for (i, stream) in slow.iter_mut().enumerate() {
        let body = "POST /v1/rewards HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{";
        stream
            .write_all(if i % 2 == 0 {
                b"GET /hea"
            } else {
                body.as_bytes()
            })
            .unwrap();
    }
    let body = json!({"prompt_ids": ["p0"], "responses": ["x"]});
    for _ in 0..200 {
        assert_eq!(server.post("/v1/rewards", &body).status, 200);
    }
    let metrics = server.get("/metrics").body;
    let open = metrics
        .lines()
        .find_map(|line| line.strip_prefix("infalign_connections "));
    assert!(open.unwrap().parse::<usize>().unwrap() >= idle, "{open:?}");
    assert_eq!(read_answer(&mut slow[1]).fault(), (408, "slow_body".into()));
    drop(connections);
}

#[test]
fn connections_end_after_their_time() {
    let mut settings = settings();
    settings.limits.idle = Duration::from_millis(200);
    let server = Server::start(settings, parts());
    let mut stream = server.connect();
    for _ in 0..3 {
        std::thread::sleep(Duration::from_millis(50));
        stream
            .write_all(b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n")
            .unwrap();
        assert_eq!(read_answer(&mut stream).status, 200);
    }
    let begun = Instant::now();
    assert_eq!(read_answer(&mut stream).status, 0);
    assert!(begun.elapsed() >= Duration::from_millis(150));
    // A head that never ends.
    let mut slow = server.connect();
    slow.write_all(b"GET /hea").unwrap();
    assert_eq!(read_answer(&mut slow).status, 0);
}

#[test]
fn what_is_too_much_is_refused_and_can_be_asked_again() {
    let mut settings = settings();
    settings.batching.queue = 4;
    settings.limits.items = 4;
    let server = Arc::new(Server::start(settings, parts()));
    let ask = |responses: &[&str]| {
        let ids = vec!["p0"; responses.len()];
        server.post(
            "/v1/rewards",
            &json!({"prompt_ids": ids, "responses": responses}),
        )
    };
    std::thread::scope(|scope| {
        let slow = scope.spawn(|| ask(&["slow", "a", "b"]).status);
        std::thread::sleep(Duration::from_millis(100));
        let full = ask(&["a", "b"]);
        assert_eq!(full.fault(), (503, "full".into()));
        assert!(full.head.contains("retry-after: 1"), "{}", full.head);
        assert_eq!(slow.join().unwrap(), 200);
    });
    assert_eq!(ask(&["a", "b"]).status, 200);

    let mut settings = crate::server::settings();
    settings.limits.requests = 1;
    settings.limits.answer = Duration::from_millis(150);
    let server = Server::start(settings, parts());
    let body = json!({"prompt_ids": ["p0"], "responses": ["slow"]});
    std::thread::scope(|scope| {
        let slow = scope.spawn(|| server.post("/v1/rewards", &body).fault());
        std::thread::sleep(Duration::from_millis(50));
        assert_eq!(
            server.post("/v1/rewards", &body).fault(),
            (503, "full".into())
        );
        assert_eq!(server.get("/healthz").status, 200);
        assert_eq!(slow.join().unwrap(), (504, "too_slow".into()));
    });
}
