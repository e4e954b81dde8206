use std::sync::{Arc, Mutex};

use http::{Method, Uri};
use serde_json::json;
use wasmtime_wasi_http::Error;

use super::egress::Egress;
use super::gateway::Gateway;
use super::*;
use crate::event::{Events, Record, Sink, Subject};
use crate::manifest::Manifest;
use crate::policy::ceiling::Ceiling;
use crate::policy::limits::Limits;
use crate::policy::{Grant, OperatorGrant, decide};
use crate::sandbox::meter::Meter;
use crate::sandbox::observer::Observer;

/// An internet of a few names. Connections are refused, and remembered.
#[derive(Debug, Default)]
struct FakeNetwork {
    dialled: Mutex<Vec<SocketAddr>>,
    resolved: Mutex<Vec<String>>,
}

impl Network for FakeNetwork {
    fn resolve<'a>(&'a self, name: &'a str) -> NetworkFuture<'a, Vec<IpAddr>> {
        self.resolved.lock().unwrap().push(name.to_owned());
        let addresses: &[&str] = match name {
            "public.test" => &["93.184.216.34"],
            "private.test" => &["10.0.0.1"],
            "mixed.test" => &["93.184.216.34", "169.254.169.254"],
            "mapped.test" => &["::ffff:127.0.0.1"],
            _ => &[],
        };
        let addresses = addresses.iter().map(|text| text.parse().unwrap()).collect();
        Box::pin(async { Ok(addresses) })
    }

    fn connect(&self, address: SocketAddr) -> NetworkFuture<'_, TcpStream> {
        self.dialled.lock().unwrap().push(address);
        Box::pin(async { Err(io::ErrorKind::ConnectionRefused.into()) })
    }
}

#[derive(Debug, Clone, Default)]
struct Kept(Arc<Mutex<Vec<serde_json::Value>>>);

impl Sink for Kept {
    fn write(&self, record: &Record<'_>) -> crate::Result<()> {
        self.0
            .lock()
            .unwrap()
            .push(serde_json::to_value(record).unwrap());
        Ok(())
    }
}

struct Bench {
    egress: Egress,
    gateway: Arc<Gateway>,
    network: Arc<FakeNetwork>,
    events: Kept,
}

impl Bench {
    fn new(granted: &[&str]) -> Self {
        let network = Arc::new(FakeNetwork::default());
        let events = Kept::default();
        let record = Events::new(Box::new(events.clone()), vec![], crate::time::system()).unwrap();
        let subject = Subject {
            skill: Some("s".into()),
            ..Subject::default()
        };
        let observer = Observer::new(Arc::new(record), Arc::new(subject));
        let gateway = Arc::new(Gateway::new(Arc::<FakeNetwork>::clone(&network)));
        let meter = Meter::new(&Limits::default());
        let reach = Reach::new(Arc::clone(&gateway), meter, observer);
        Self {
            egress: Egress::new(&grant(granted), &Limits::default(), reach),
            gateway,
            network,
            events,
        }
    }

    /// Judges and dials; what the guest would see, and what was dialled.
    async fn try_get(&mut self, address: &str) -> (String, Vec<String>) {
        let uri: Uri = address.parse().unwrap();
        let error = match self.egress.judge(&Method::GET, &uri) {
            Ok(permit) => permit.dial().await.err().unwrap(),
            Err(error) => error,
        };
        let dialled = std::mem::take(&mut *self.network.dialled.lock().unwrap());
        (
            format!("{error:?}"),
            dialled.iter().map(ToString::to_string).collect(),
        )
    }

    fn denials(&self) -> Vec<serde_json::Value> {
        self.events.0.lock().unwrap().clone()
    }
}

fn grant(granted: &[&str]) -> Grant {
    let manifest = json!({
        "format": 1, "name": "s", "version": "1.0.0",
        "tools": [{"name": "t", "description": "", "input_schema": {"type": "object"}}],
        "capabilities": {"http": {"origins": ["*"], "methods": ["GET"], "reason": "r", "optional": true}},
    });
    let manifest = Manifest::parse(Some(manifest.to_string().as_bytes())).unwrap();
    let operator = OperatorGrant {
        http: granted.iter().map(|rule| rule.parse().unwrap()).collect(),
        ..OperatorGrant::default()
    };
    decide(
        &manifest,
        &operator,
        &Limits::default(),
        &Ceiling::default(),
    )
    .unwrap()
}

fn denied() -> (String, Vec<String>) {
    ("HttpRequestDenied".to_owned(), vec![])
}

fn dialled(address: &str) -> (String, Vec<String>) {
    ("ConnectionRefused".to_owned(), vec![address.to_owned()])
}

#[tokio::test]
async fn nothing_is_dialled_without_a_grant() {
    let mut bench = Bench::new(&[]);
    assert_eq!(bench.try_get("https://public.test/").await, denied());
    assert!(bench.network.resolved.lock().unwrap().is_empty());
    let [event] = bench.denials().try_into().unwrap();
    assert_eq!(event["event"], "egress.denied");
    assert_eq!(event["target"], "GET https://public.test");
    assert!(
        event["grant"]
            .as_str()
            .unwrap()
            .contains("--allow-http https://public.test"),
        "{event}"
    );
}

#[tokio::test]
async fn the_address_that_was_judged_is_dialled() {
    let mut bench = Bench::new(&["https://public.test"]);
    assert_eq!(
        bench.try_get("https://public.test/x").await,
        dialled("93.184.216.34:443")
    );
    assert_eq!(bench.network.resolved.lock().unwrap().len(), 1);
    assert!(bench.denials().is_empty());
}

#[tokio::test]
async fn n06_n20_one_address_that_is_not_public_denies_the_name_as_if_it_did_not_exist() {
    let mut bench = Bench::new(&["http://missing.test"]);
    let missing = bench.try_get("http://missing.test/").await;
    assert_eq!(missing, ("DestinationNotFound".to_owned(), vec![]));
    assert!(bench.denials().is_empty());
    for (name, address) in [
        ("private.test", "10.0.0.1"),
        ("mixed.test", "169.254.169.254"),
        ("mapped.test", "::ffff:127.0.0.1"),
    ] {
        let mut bench = Bench::new(&[&format!("http://{name}")]);
        assert_eq!(
            bench.try_get(&format!("http://{name}/")).await,
            missing,
            "{name}"
        );
        let [event] = bench.denials().try_into().unwrap();
        assert_eq!(event["address"], address);
    }
}

#[tokio::test]
async fn n01_n03_a_wildcard_never_reaches_what_is_not_public() {
    for address in [
        "http://127.0.0.1:8080/",
        "http://localhost:8080/",
        "http://a.localhost/",
        "http://169.254.169.254/latest/meta-data",
        "http://[::1]/",
        "http://[::ffff:10.0.0.1]/",
        "http://10.1.2.3/",
        "http://168.63.129.16/",
        "http://metadata.google.internal/",
        "http://metadata/",
    ] {
        let mut bench = Bench::new(&["*"]);
        assert_eq!(bench.try_get(address).await, denied(), "{address}");
        assert_eq!(bench.denials().len(), 1, "{address}");
    }
    let mut bench = Bench::new(&["*"]);
    assert_eq!(
        bench.try_get("http://93.184.216.34:81/").await,
        dialled("93.184.216.34:81")
    );
}

#[tokio::test]
async fn an_exact_grant_reaches_loopback() {
    let mut bench = Bench::new(&["http://127.0.0.1:8080"]);
    assert_eq!(
        bench.try_get("http://127.0.0.1:8080/").await,
        dialled("127.0.0.1:8080")
    );
    assert_eq!(bench.try_get("http://127.0.0.1:8081/").await, denied());
    let mut bench = Bench::new(&["http://localhost:8080"]);
    let (_, dialled) = bench.try_get("http://localhost:8080/").await;
    assert_eq!(dialled, ["127.0.0.1:8080", "[::1]:8080"]);
    assert!(bench.network.resolved.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_method_that_the_manifest_does_not_name_is_denied() {
    let mut bench = Bench::new(&["https://public.test"]);
    let uri: Uri = "https://public.test/".parse().unwrap();
    let error = bench.egress.judge(&Method::POST, &uri).unwrap_err();
    assert!(matches!(error, Error::HttpRequestDenied));
    assert_eq!(bench.denials().len(), 1);
}

#[tokio::test]
async fn requests_are_counted() {
    let mut bench = Bench::new(&["https://public.test"]);
    let uri: Uri = "https://public.test/".parse().unwrap();
    for _ in 0..Limits::default().http_requests {
        bench.egress.judge(&Method::GET, &uri).unwrap();
    }
    let error = bench.egress.judge(&Method::GET, &uri).unwrap_err();
    assert!(matches!(error, Error::ConnectionLimitReached));
}

#[tokio::test]
async fn a_denial_that_repeats_is_one_event() {
    let mut bench = Bench::new(&[]);
    for _ in 0..5 {
        assert_eq!(bench.try_get("https://public.test/").await, denied());
    }
    assert_eq!(bench.denials().len(), 1);
}

#[tokio::test]
async fn n03_nothing_grants_a_metadata_service() {
    let mut bench = Bench::new(&["*"]);
    assert_eq!(bench.try_get("http://169.254.169.254/").await, denied());
    let [event] = bench.denials().try_into().unwrap();
    assert_eq!(event["grant"], "nothing: no grant allows this");
    assert!(event["rule"].as_str().unwrap().contains("metadata service"));
}

#[tokio::test]
async fn n16_listeners_of_the_host_are_not_dialled_even_if_granted() {
    let mut bench = Bench::new(&["http://127.0.0.1:8080", "http://localhost:8080"]);
    let listener = bench.gateway.protect("127.0.0.1:8080".parse().unwrap());
    for address in ["http://127.0.0.1:8080/", "http://localhost:8080/"] {
        assert_eq!(bench.try_get(address).await, denied(), "{address}");
    }
    assert_eq!(bench.denials().len(), 2);
    drop(listener);
    let (_, dialled) = bench.try_get("http://127.0.0.1:8080/").await;
    assert_eq!(dialled, ["127.0.0.1:8080"]);
}

#[tokio::test]
async fn a_method_that_is_too_long_is_refused_with_an_event() {
    let mut bench = Bench::new(&["https://public.test"]);
    let uri: Uri = "https://public.test/".parse().unwrap();
    let method = Method::from_bytes(&[b'A'; 33]).unwrap();
    let error = bench.egress.judge(&method, &uri).unwrap_err();
    assert!(matches!(error, Error::HttpRequestMethodInvalid));
    let [event] = bench.denials().try_into().unwrap();
    assert_eq!(event["target"], "a method of 33 bytes");
}
