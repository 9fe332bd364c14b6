//! What the service says of itself: the OpenAPI document against its standard and against real answers, metrics and the dashboard.

use crate::server::{Server, guarded, parts};
use serde_json::{Value, json};

fn standard() -> Value {
    serde_json::from_str(include_str!("openapi-3.1.schema.json")).unwrap()
}

fn assert_valid(schema: &Value, instance: &Value) {
    let validator = jsonschema::draft202012::new(schema).unwrap();
    let errors: Vec<String> = validator
        .iter_errors(instance)
        .map(|error| error.to_string())
        .collect();
    assert!(errors.is_empty(), "{errors:#?}\n{instance:#}");
}

#[test]
fn the_document_is_openapi_and_answers_are_as_it_says() {
    let server = Server::start(guarded(), parts());
    let document = server.get("/openapi.json").json();
    assert_valid(&standard(), &document);
    let schemas = &document["components"]["schemas"];
    for (name, schema) in schemas.as_object().unwrap() {
        assert!(jsonschema::meta::is_valid(schema), "{name}");
    }
    let text = "prompt 0 of the file";
    let bodies = [
        (
            "post",
            "/get_reward",
            json!({"query": [format!("{text}x")], "prompts": [text], "labels": ["p0"]}),
        ),
        (
            "post",
            "/classify",
            json!({"model": "m", "input": format!("{text}x"), "use_activation": false}),
        ),
        (
            "post",
            "/v1/embeddings",
            json!({"model": "m", "input": [format!("{text}x")]}),
        ),
        (
            "post",
            "/v1/rewards",
            json!({"prompts": [text], "responses": ["x"], "answers": [null]}),
        ),
        (
            "post",
            "/v1/calibrations",
            json!({"prompt_ids": [7], "rewards": [[1.0, 2.0]]}),
        ),
        (
            "put",
            "/v1/transform",
            json!({"transform": "exp:10", "procedure": "best-of:4"}),
        ),
    ];
    let mut asked = 0;
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let body = bodies.iter().find(|(m, p, _)| m == method && p == path);
            let body = body.map(|(_, _, body)| body);
            assert_eq!(
                body.is_some(),
                operation.get("requestBody").is_some(),
                "{method} {path}"
            );
            // References point into the whole document.
            let within =
                |schema: &Value| json!({"allOf": [schema], "components": document["components"]});
            if let Some(body) = body {
                let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
                assert_valid(&within(schema), body);
            }
            let body = body.map(Value::to_string).unwrap_or_default();
            let answer = server.send(&method.to_uppercase(), path, body.as_bytes());
            assert_eq!(answer.status, 200, "{method} {path}: {}", answer.body);
            let json = &operation["responses"]["200"]["content"]["application/json"];
            if json.is_object() {
                assert_valid(&within(&json["schema"]), &answer.json());
            }
            // Every operation has faults of one kind.
            let fault = server
                .send(&method.to_uppercase(), &format!("{path}/x"), b"")
                .json();
            let schema = &document["components"]["responses"]["Fault"]["content"]["application/json"]
                ["schema"];
            assert_valid(&within(schema), &fault);
            asked += 1;
        }
    }
    assert_eq!(asked, 12);
    let page = &document["paths"]["/v1/calibrations"]["get"]["parameters"];
    assert_eq!(
        (&page[0]["name"], &page[1]["name"]),
        (&json!("from"), &json!("limit"))
    );
}

/// The names that an expression of Prometheus asks for.
fn names(expression: &str) -> Vec<String> {
    let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words
        .filter(|word| word.starts_with("infalign_"))
        .map(str::to_owned)
        .collect()
}

/// All values of a key, wherever they stand.
fn values<'v>(value: &'v Value, key: &str, found: &mut Vec<&'v str>) {
    match value {
        Value::Object(object) => {
            found.extend(object.get(key).and_then(Value::as_str));
            object.values().for_each(|value| values(value, key, found));
        }
        Value::Array(array) => array.iter().for_each(|value| values(value, key, found)),
        _ => {}
    }
}

#[test]
fn every_metric_of_the_dashboard_and_of_the_docs_exists() {
    let server = Server::start(guarded(), parts());
    server.post(
        "/v1/rewards",
        &json!({"prompt_ids": ["p0", "p9"], "raw": [1, 1]}),
    );
    server.post(
        "/v1/rewards",
        &json!({"prompt_ids": ["p0"], "responses": ["abc"]}),
    );
    let metrics = server.get("/metrics").body;
    let exists = |name: &str| {
        metrics.lines().any(|line| {
            line.strip_prefix(name)
                .is_some_and(|rest| rest.starts_with(['{', ' ']))
        })
    };
    let dashboard: Value = serde_json::from_str(include_str!(
        "../../../../assets/grafana/infalign-serve.json"
    ))
    .unwrap();
    let mut expressions = Vec::new();
    values(&dashboard, "expr", &mut expressions);
    let asked: Vec<String> = expressions
        .iter()
        .flat_map(|expression| names(expression))
        .collect();
    assert!(asked.len() >= 10, "{asked:?}");
    for name in &asked {
        assert!(exists(name), "{name} is not in\n{metrics}");
    }
    let docs = include_str!("../../../../docs/src/tools/serve.md");
    let documented = docs.split('`').filter(|code| code.starts_with("infalign_"));
    let mut count = 0;
    for code in documented {
        let name = code.split('{').next().unwrap();
        assert!(
            ["", "_bucket", "_sum"]
                .iter()
                .any(|end| exists(&format!("{name}{end}"))),
            "{name}"
        );
        count += 1;
    }
    assert!(count >= 13, "{count}");

    for line in [
        "infalign_requests_total{route=\"/v1/rewards\",status=\"200\"} 1",
        "infalign_requests_total{route=\"/v1/rewards\",status=\"422\"} 1",
        "infalign_rewards_total 1",
        "infalign_unknown_prompts_total{handled=\"error\"} 1",
        "infalign_raw_reward_sum 3.0",
        "infalign_batch_size_count 1",
        "infalign_queue_depth 0",
        "infalign_prompts{source=\"table\"} 3",
        "infalign_in_flight 1",
        // Length 3 among 0, 1, 2, 3: 7/8.
        "infalign_calibrated_reward_bucket{le=\"0.9\"} 1",
        "infalign_calibrated_reward_bucket{le=\"0.8\"} 0",
        concat!(
            "infalign_build_info{version=\"",
            env!("CARGO_PKG_VERSION"),
            "\"} 1"
        ),
    ] {
        assert!(
            metrics.lines().any(|found| found == line),
            "{line} is not in\n{metrics}"
        );
    }
    assert!(metrics.ends_with("# EOF\n"));
}
