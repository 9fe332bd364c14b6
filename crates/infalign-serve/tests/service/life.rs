//! How the service begins and ends, and TLS.

use std::{
    io::{Read, Write},
    sync::{Arc, mpsc},
    time::Duration,
};

use crate::server::{Length, Server, parts, read_answer, request, settings};
use infalign_serve::{Asked, Error, Parts, Rewarder, Service, Settings, Tls};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use serde_json::json;

#[test]
fn it_is_ready_when_the_reward_is_open() {
    let (open, opening) = mpsc::channel::<()>();
    let parts = Parts {
        reward: Some(Box::new(move || {
            opening.recv().unwrap();
            Ok(Box::new(Length::default()))
        })),
        ..parts()
    };
    let server = Server::opening(settings(), parts);
    let body = json!({"prompt_ids": ["p0"], "responses": ["x"]});
    assert_eq!(server.get("/healthz").status, 200);
    assert_eq!(server.get("/readyz").fault(), (503, "not_ready".into()));
    assert_eq!(
        server.post("/v1/rewards", &body).fault(),
        (503, "not_ready".into())
    );
    open.send(()).unwrap();
    while server.get("/readyz").status != 200 {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(
        server.get("/readyz").json(),
        json!({"status": "ready", "reward": "length"})
    );
    assert_eq!(server.post("/v1/rewards", &body).status, 200);
    server.stop().unwrap();
}

#[test]
fn what_cannot_go_on_says_why() {
    let failing = Parts {
        reward: Some(Box::new(|| {
            Err("its probe gave one number for two texts".to_owned())
        })),
        ..parts()
    };
    let error = Server::opening(settings(), failing).end().unwrap_err();
    let text = "the reward cannot be opened: its probe gave one number for two texts";
    assert_eq!(error.to_string(), text);
    let server = Server::start(settings(), parts());
    let body = json!({"prompt_ids": ["p0"], "responses": ["broken"]});
    assert_eq!(
        server.post("/v1/rewards", &body).fault(),
        (502, "reward_failed".into())
    );
    assert!(matches!(
        server.end(),
        Err(Error::Broken { what: "reward" })
    ));
}

#[test]
fn a_stopping_service_answers_what_it_has_taken() {
    let server = Server::start(settings(), parts());
    let mut idle = server.connect();
    idle.write_all(b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n")
        .unwrap();
    assert_eq!(read_answer(&mut idle).status, 200);
    let mut taken = server.connect();
    let body = json!({"prompt_ids": ["p0"], "responses": ["slow"]}).to_string();
    taken
        .write_all(&request("POST", "/v1/rewards", "", body.as_bytes()))
        .unwrap();
    std::thread::sleep(Duration::from_millis(100));
    let address = server.address;
    server.switch.stop();
    assert_eq!(read_answer(&mut taken).json()["raw"], json!([4.0]));
    assert_eq!(read_answer(&mut idle).status, 0);
    server.stop().unwrap();
    assert!(std::net::TcpStream::connect(address).is_err());
}

/// A reward that tells when it is put away.
struct Told(Length, mpsc::Sender<()>);

impl Rewarder for Told {
    fn raw(&mut self, asked: &[Asked]) -> Result<Vec<f32>, String> {
        self.0.raw(asked)
    }

    fn name(&self) -> &str {
        self.0.name()
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        self.1.send(()).unwrap();
    }
}

#[test]
fn the_reward_is_put_away_before_the_service_has_ended() {
    let (told, gone) = mpsc::channel();
    let parts = Parts {
        reward: Some(Box::new(|| Ok(Box::new(Told(Length::default(), told))))),
        ..parts()
    };
    Server::start(settings(), parts).stop().unwrap();
    gone.try_recv().unwrap();
}

#[test]
fn tls_of_the_files_given() {
    let directory = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let tls = Tls {
        certificate: directory.path().join("certificate.pem"),
        key: directory.path().join("key.pem"),
    };
    std::fs::write(&tls.certificate, made.cert.pem()).unwrap();
    std::fs::write(&tls.key, made.signing_key.serialize_pem()).unwrap();
    let secure = Settings {
        tls: Some(tls.clone()),
        ..settings()
    };
    let server = Server::opening(secure.clone(), parts());
    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(&tls.certificate).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = "localhost".try_into().unwrap();
    let mut client = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = server.connect();
    let mut stream = rustls::Stream::new(&mut client, &mut stream);
    stream
        .write_all(b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n")
        .unwrap();
    assert_eq!(read_answer(&mut stream).status, 200);
    // Plain HTTP gets nothing.
    let mut plain = server.connect();
    plain
        .write_all(b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n")
        .unwrap();
    let mut bytes = Vec::new();
    let _ = plain.read_to_end(&mut bytes);
    assert!(!bytes.starts_with(b"HTTP"));

    std::fs::write(&tls.key, "no key").unwrap();
    let error = Service::new(secure, parts()).unwrap_err();
    assert!(error.to_string().contains("key.pem"), "{error}");
}
