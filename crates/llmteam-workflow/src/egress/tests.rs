//! The rules of outbound calls, seen from a local server: rows 49 to 59 of `trust.md` 5.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    net::IpAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use flate2::{Compression, write::GzEncoder};
use llmteam_orchestration::call::{Caller, Sent};
use llmteam_security::{
    clock::{Clock, ManualClock, SystemClock, Timestamp, Wake},
    id::TenantId,
    secret::{Secret, SecretError, SecretsProvider},
};
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::{resolve::Lookup, *};

/// What a server does with one connection after it has read the request.
#[derive(Clone)]
enum Act {
    /// Writes these bytes and closes.
    Say(Vec<u8>),
    /// Writes these bytes and stays silent.
    Hang(Vec<u8>),
    /// Writes the first bytes, then the second again and again.
    Pour(Vec<u8>, Vec<u8>),
    /// Writes the first bytes, then one more every 20 ms.
    Drip(Vec<u8>),
    /// Closes with a reset.
    Reset,
}

/// A server on a loopback port that does the same for every connection and keeps what it was asked.
struct Server {
    port: u16,
    requests: Arc<Mutex<Vec<String>>>,
    connections: Arc<AtomicUsize>,
}

impl Server {
    async fn start(act: Act) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let connections = Arc::new(AtomicUsize::new(0));
        let (asked, seen) = (Arc::clone(&requests), Arc::clone(&connections));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                seen.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(stream, act.clone(), Arc::clone(&asked)));
            }
        });
        Self {
            port,
            requests,
            connections,
        }
    }

    async fn saying(response: &str) -> Self {
        Self::start(Act::Say(response.into())).await
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

async fn serve(mut stream: TcpStream, act: Act, asked: Arc<Mutex<Vec<String>>>) -> io::Result<()> {
    let request = read_request(&mut stream).await?;
    asked.lock().unwrap().push(request);
    match act {
        Act::Say(bytes) => stream.write_all(&bytes).await?,
        Act::Hang(bytes) => {
            stream.write_all(&bytes).await?;
            std::future::pending::<()>().await;
        }
        Act::Pour(first, more) => {
            stream.write_all(&first).await?;
            loop {
                stream.write_all(&more).await?;
            }
        }
        Act::Drip(first) => {
            stream.write_all(&first).await?;
            let clock = SystemClock;
            loop {
                let at = clock.now().saturating_add(Duration::from_millis(20));
                clock.sleep_until(at, Wake::Work).await;
                stream.write_all(b"x").await?;
            }
        }
        Act::Reset => stream.set_zero_linger()?,
    }
    Ok(())
}

/// A request's head and as much body as it announces.
async fn read_request(stream: &mut TcpStream) -> io::Result<String> {
    let mut bytes = Vec::new();
    let mut part = [0; 4096];
    loop {
        let read = stream.read(&mut part).await?;
        bytes.extend_from_slice(&part[..read]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let head = head.to_ascii_lowercase();
            let length = head
                .lines()
                .find_map(|it| it.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |it| it.parse().unwrap()) {
                return Ok(text);
            }
        }
        if read == 0 {
            return Ok(text);
        }
    }
}

/// Answers every name with the same addresses and counts how often it was asked.
#[derive(Debug)]
struct Fixed(Vec<IpAddr>, AtomicUsize);

impl Fixed {
    fn new(addresses: &[&str]) -> Arc<Self> {
        let addresses = addresses.iter().map(|it| it.parse().unwrap()).collect();
        Arc::new(Self(addresses, AtomicUsize::new(0)))
    }
}

#[async_trait]
impl Lookup for Fixed {
    async fn lookup(&self, _host: &str) -> io::Result<Vec<IpAddr>> {
        self.1.fetch_add(1, Ordering::SeqCst);
        Ok(self.0.clone())
    }
}

fn get(url: &str) -> EgressRequest {
    EgressRequest {
        method: Method::GET,
        url: parse_url(url).unwrap(),
        headers: HeaderMap::new(),
        body: None,
        timeout: None,
    }
}

/// A client for one server and small limits.
fn egress(server: &Server, limits: Limits) -> Egress {
    let base = parse_url(&server.url()).unwrap();
    Egress::new(
        EgressPolicy::named(&base).unwrap(),
        limits,
        Arc::new(SystemClock),
    )
    .unwrap()
}

async fn whole(act: Act, limits: Limits) -> Result<(u16, Vec<u8>), EgressError> {
    let server = Server::start(act).await;
    let response = egress(&server, limits).send(get(&server.url())).await?;
    Ok((response.status(), response.read_bounded().await?))
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Row 52: what a name resolves to is checked as a whole, once, and is what is connected to.
#[tokio::test]
async fn a_name_is_reached_only_when_all_its_addresses_may_be() {
    let server = Server::saying("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").await;
    let url = format!("http://service.test:{}/", server.port);
    let send = |policy: EgressPolicy, lookup: Arc<Fixed>| {
        let url = url.clone();
        async move {
            let clock = Arc::new(SystemClock);
            let egress = Egress::with_lookup(policy, Limits::default(), clock, lookup);
            egress.unwrap().send(get(&url)).await
        }
    };

    let named = EgressPolicy::named(&parse_url(&url).unwrap()).unwrap();
    let lookup = Fixed::new(&["127.0.0.1"]);
    let response = send(named, Arc::clone(&lookup)).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(lookup.1.load(Ordering::SeqCst), 1);

    for found in [
        &["127.0.0.1"][..],
        &["8.8.8.8", "127.0.0.1"],
        &["127.0.0.1", "2606:4700::1111"],
        &["169.254.169.254"],
        &["::ffff:127.0.0.1"],
        &["64:ff9b::7f00:1"],
    ] {
        let open = EgressPolicy::open_on("http", server.port);
        let error = send(open, Fixed::new(found)).await.unwrap_err();
        assert_eq!(error.code(), "EGRESS_DENIED", "{found:?}: {error}");
        assert_eq!(error.sent(), Sent::No);
    }
    assert_eq!(server.connections(), 1);
}

/// Rows 49, 50: names of this machine are refused by what they resolve to.
#[tokio::test]
async fn names_of_this_machine_are_refused() {
    let server = Server::saying("").await;
    let open = EgressPolicy::open_on("http", server.port);
    let egress = Egress::new(open, Limits::default(), Arc::new(SystemClock)).unwrap();
    for host in ["localhost", "LOCALHOST"] {
        let url = format!("http://{host}:{}/", server.port);
        let error = egress.send(get(&url)).await.unwrap_err();
        assert_eq!(error.code(), "EGRESS_DENIED", "{host}");
    }
    assert_eq!(server.connections(), 0);
}

/// Row 53: a redirect is a response like any other.
#[tokio::test]
async fn redirects_are_not_followed() {
    let other = Server::saying("HTTP/1.1 200 OK\r\n\r\n").await;
    let to = format!(
        "HTTP/1.1 302 Found\r\nLocation: {}/secret\r\nContent-Length: 0\r\n\r\n",
        other.url()
    );
    let (status, _) = whole(Act::Say(to.into()), Limits::default()).await.unwrap();
    assert_eq!(status, 302);
    assert_eq!(other.connections(), 0);
}

/// Cookies are not kept.
#[tokio::test]
async fn a_response_leaves_nothing_behind() {
    let server =
        Server::saying("HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n").await;
    let egress = egress(&server, Limits::default());
    for _ in 0..2 {
        egress.send(get(&server.url())).await.unwrap();
    }
    let requests = server.requests();
    assert_eq!(requests.len(), 2);
    assert!(!requests[1].to_ascii_lowercase().contains("cookie"));
}

/// Row 55: this test runs itself again with proxies in the environment.
#[tokio::test]
async fn proxies_of_the_environment_are_ignored() {
    const CHILD: &str = "LLMTEAM_TEST_PROXY_CHILD";
    if let Ok(url) = std::env::var(CHILD) {
        let policy = EgressPolicy::named(&parse_url(&url).unwrap()).unwrap();
        let egress = Egress::new(policy, Limits::default(), Arc::new(SystemClock)).unwrap();
        assert_eq!(egress.send(get(&url)).await.unwrap().status(), 204);
        return;
    }
    let target = Server::saying("HTTP/1.1 204 No Content\r\n\r\n").await;
    let proxy = Server::saying("HTTP/1.1 502 Bad Gateway\r\n\r\n").await;
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    child.args([
        "--exact",
        "egress::tests::proxies_of_the_environment_are_ignored",
    ]);
    child.env(CHILD, target.url());
    for name in [
        "HTTP_PROXY",
        "http_proxy",
        "ALL_PROXY",
        "all_proxy",
        "HTTPS_PROXY",
    ] {
        child.env(name, proxy.url());
    }
    child.env_remove("NO_PROXY").env_remove("no_proxy");
    let done = tokio::task::spawn_blocking(move || child.output()).await;
    let output = done.unwrap().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
    assert_eq!((target.connections(), proxy.connections()), (1, 0));
}

/// Row 59: too much, in every form it comes in.
#[tokio::test]
async fn a_response_is_bounded() {
    let small = || Limits {
        body: 100_000,
        ..Limits::default()
    };
    let ok = "HTTP/1.1 200 OK\r\n";
    let bomb = gzip(&vec![0; 16 << 20]);
    assert!(bomb.len() < 100_000);
    let head = format!(
        "{ok}Content-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
        bomb.len()
    );
    let mut said = head.into_bytes();
    said.extend_from_slice(&bomb);

    let chunked = format!("{ok}Transfer-Encoding: chunked\r\n\r\n").into_bytes();
    let chunk = b"4\r\nmore\r\n".repeat(100);
    let many: String = (0..65).map(|it| format!("X-{it}: 1\r\n")).collect();
    for (what, act) in [
        ("a gzip bomb", Act::Say(said.clone())),
        ("endless chunks", Act::Pour(chunked, chunk)),
        (
            "an endless body",
            Act::Pour(format!("{ok}\r\n").into(), vec![0; 1000]),
        ),
    ] {
        let error = whole(act, small()).await.unwrap_err();
        assert_eq!(error.code(), "EGRESS_TOO_LARGE", "{what}");
        assert_eq!(error.sent(), Sent::Yes);
    }
    let (_, body) = whole(
        Act::Say(said),
        Limits {
            body: 16 << 20,
            ..Limits::default()
        },
    )
    .await
    .unwrap();
    assert_eq!(body.len(), 16 << 20);

    let headers = Act::Say(format!("{ok}{many}Content-Length: 0\r\n\r\n").into());
    let error = whole(headers, small()).await.unwrap_err();
    assert_ne!(error.sent(), Sent::No, "{error}");
}

/// Row 59: too slow, cut, or not HTTP; and what is known about the request then.
#[tokio::test]
async fn a_broken_exchange_says_what_is_known() {
    let limits = || Limits {
        total: Duration::from_millis(300),
        ..Limits::default()
    };
    let begun = b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n".to_vec();
    let cases = [
        (
            "no answer",
            Act::Hang(vec![]),
            "EGRESS_TIMEOUT",
            Sent::Maybe,
        ),
        (
            "half a head",
            Act::Hang(b"HTTP/1.1 2".to_vec()),
            "EGRESS_TIMEOUT",
            Sent::Maybe,
        ),
        (
            "one byte at a time",
            Act::Drip(begun.clone()),
            "EGRESS_TIMEOUT",
            Sent::Yes,
        ),
        (
            "cut in the body",
            Act::Say(begun.clone()),
            "EGRESS_INTERRUPTED",
            Sent::Yes,
        ),
        (
            "closed",
            Act::Say(vec![]),
            "EGRESS_INTERRUPTED",
            Sent::Maybe,
        ),
        ("reset", Act::Reset, "EGRESS_INTERRUPTED", Sent::Maybe),
        (
            "not HTTP",
            Act::Say(b"SSH-2.0\r\n".to_vec()),
            "EGRESS_INTERRUPTED",
            Sent::Maybe,
        ),
    ];
    for (what, act, code, sent) in cases {
        let error = whole(act, limits()).await.unwrap_err();
        assert_eq!(
            (error.code(), error.sent()),
            (code, sent),
            "{what}: {error}"
        );
        assert!(error.is_recoverable(), "{what}");
    }
}

#[tokio::test]
async fn a_closed_port_means_nothing_was_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/?key=s3cret", listener.local_addr().unwrap());
    drop(listener);
    let policy = EgressPolicy::named(&parse_url(&url).unwrap()).unwrap();
    let egress = Egress::new(policy, Limits::default(), Arc::new(SystemClock)).unwrap();
    let error = egress.send(get(&url)).await.unwrap_err();
    assert_eq!((error.code(), error.sent()), ("EGRESS_CONNECT", Sent::No));
    assert!(!error.to_string().contains("s3cret"), "{error}");
}

#[derive(Debug)]
struct OneSecret;

#[async_trait]
impl SecretsProvider for OneSecret {
    async fn get_secret(&self, tenant: &TenantId, id: &str) -> Result<Secret, SecretError> {
        match (tenant.as_str(), id) {
            ("acme", "cms") => Ok(Secret::new("k{key}1")),
            _ => Err(SecretError::NotFound(id.to_owned())),
        }
    }
}

fn config(base_url: &str) -> HttpClientConfig {
    let map = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        let owned = |(a, b): &(&str, &str)| (a.to_string(), b.to_string());
        pairs.iter().map(owned).collect()
    };
    HttpClientConfig {
        base_url: base_url.to_owned(),
        headers: map(&[("Authorization", "Bearer {key}{x}"), ("X-Own", "own")]),
        secret_refs: map(&[("key", "cms")]),
        deduplicates: true,
        limits: Limits::default(),
    }
}

fn client(config: HttpClientConfig) -> Result<HttpClient, EgressError> {
    HttpClient::new(config, Arc::new(OneSecret), Arc::new(SystemClock))
}

fn for_tenant(tenant: &str) -> RequestOptions {
    RequestOptions {
        tenant: Some(tenant.parse().unwrap()),
        ..RequestOptions::default()
    }
}

#[tokio::test]
async fn a_client_adds_what_the_operator_configured_and_sends_what_the_step_gave() {
    let server = Server::saying(
        "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 7\r\nX-Trace: t\r\n\
         Content-Length: 8\r\n\r\n{\"a\": 1}",
    )
    .await;
    let client = client(config(&format!("{}/v1/", server.url()))).unwrap();
    let options = RequestOptions {
        headers: vec![("X-Own".into(), "step".into())],
        query: vec![("q".into(), "a b&c".into())],
        body: Some(ClientBody::Json(json!({"n": 1}))),
        ..for_tenant("acme")
    };
    let response = client
        .request(Method::POST, "/items?x=1", options)
        .await
        .unwrap();
    assert_eq!(response.status, 429);
    assert_eq!(response.header("x-trace"), Some("t"));
    assert_eq!(response.value(), json!({"a": 1}));
    assert_eq!(response.retry_after, Some(Duration::from_secs(7)));
    assert!(response.is_safe_to_repeat() && client.deduplicates());

    let request = &server.requests()[0];
    let lines: Vec<String> = request.lines().map(str::to_ascii_lowercase).collect();
    assert_eq!(lines[0], "post /v1/items?x=1&q=a+b%26c http/1.1");
    for line in [
        "authorization: bearer k{key}1{x}",
        "x-own: step",
        "content-type: application/json",
        r#"{"n":1}"#,
    ] {
        assert_eq!(
            lines.iter().filter(|it| *it == line).count(),
            1,
            "{line} in {request}"
        );
    }
    assert!(!format!("{client:?}").contains("Bearer"));
    let endpoint = format!("{}/v1/items", server.url());
    assert_eq!(client.endpoint("/items?token=x"), endpoint);
}

#[tokio::test]
async fn a_secret_is_asked_for_in_the_tenants_name() {
    let server = Server::saying("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    let client = client(config(&server.url())).unwrap();
    for options in [for_tenant("other"), RequestOptions::default()] {
        let error = client.request(Method::GET, "/", options).await.unwrap_err();
        assert_eq!(error.sent(), Sent::No);
    }
    assert_eq!(server.connections(), 0);
}

/// Row 54 and 58 for a configured client: a path cannot become another address, a header cannot frame.
#[tokio::test]
async fn a_path_stays_below_the_base_address() {
    let server = Server::saying("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    let client = client(config(&format!("{}/v1", server.url()))).unwrap();
    for path in [
        "http://evil.example/",
        "file:///etc/passwd",
        "/../admin",
        "/a/%2e%2E/../b",
        "..",
        "/a\\b",
        "/a b",
        "/a\r\nHost: evil",
        "/a#b",
    ] {
        let error = client.request(Method::GET, path, for_tenant("acme")).await;
        assert_eq!(
            error.unwrap_err().code(),
            "EGRESS_INVALID_REQUEST",
            "{path:?}"
        );
    }
    for header in [("Host", "evil"), ("X-A", "b\r\nX-C: d")] {
        let options = RequestOptions {
            headers: vec![(header.0.into(), header.1.into())],
            ..for_tenant("acme")
        };
        let error = client.request(Method::GET, "/", options).await;
        assert_eq!(
            error.unwrap_err().code(),
            "EGRESS_INVALID_REQUEST",
            "{header:?}"
        );
    }
    assert_eq!(server.connections(), 0);

    for (path, line) in [
        ("", "GET /v1 HTTP/1.1"),
        ("/", "GET /v1 HTTP/1.1"),
        ("//evil.example/x", "GET /v1/evil.example/x HTTP/1.1"),
        ("/@evil.example", "GET /v1/@evil.example HTTP/1.1"),
        ("a/b", "GET /v1/a/b HTTP/1.1"),
        ("/a/b%2Fc/", "GET /v1/a/b%2Fc/ HTTP/1.1"),
        ("?q=1", "GET /v1/?q=1 HTTP/1.1"),
    ] {
        client
            .request(Method::GET, path, for_tenant("acme"))
            .await
            .unwrap();
        assert_eq!(
            server.requests().last().unwrap().lines().next(),
            Some(line),
            "{path}"
        );
    }
}

#[test]
fn a_faulty_configuration_is_refused_at_once() {
    let good = config("https://api.example.com");
    let faulty = [
        config("api.example.com"),
        config("ftp://api.example.com"),
        config("https://user:pw@api.example.com"),
        config("https://api.example.com?x=1"),
        HttpClientConfig {
            headers: BTreeMap::from([("Host".into(), "{key}".into())]),
            ..good.clone()
        },
        HttpClientConfig {
            headers: BTreeMap::new(),
            ..good
        },
    ];
    for config in faulty {
        let error = client(config.clone()).unwrap_err();
        assert!(!error.to_string().contains("pw"), "{config:?}: {error}");
    }
}

#[tokio::test]
async fn a_scripted_client_answers_by_activation_and_attempt() {
    let script = r#"{"deduplicates": true, "routes": {
        "POST /articles": [{"status": 201, "json": {"id": 7}}, [{"error": "timeout"}, {"status": 503, "retry_after_ms": 20}]],
        "GET /health": {"text": "fine", "headers": {"X-A": "b"}}
    }}"#;
    let clock = Arc::new(ManualClock::new(Timestamp::from_micros(0)));
    let client = ScriptedClient::from_json(script, clock.clone()).unwrap();
    let ask = |activation, attempt| {
        let caller = Caller::new("publish".parse().unwrap()).at(activation, attempt);
        let options = RequestOptions {
            caller: Some(caller),
            ..RequestOptions::default()
        };
        client.request(Method::POST, "/articles?draft=1", options)
    };
    for _ in 0..2 {
        let first = ask(1, 1).await.unwrap();
        assert_eq!((first.status, first.value()), (201, json!({"id": 7})));
        assert_eq!(ask(2, 1).await.unwrap_err().sent(), Sent::Maybe);
        assert!(ask(2, 2).await.unwrap().is_safe_to_repeat());
    }
    let health = client.request(Method::GET, "health", RequestOptions::default());
    let health = health.await.unwrap();
    assert_eq!(health.value(), Value::String("fine".into()));
    assert_eq!(health.header("x-a"), Some("b"));
    let unknown = client.request(Method::GET, "/nothing", RequestOptions::default());
    assert!(!unknown.await.unwrap_err().is_recoverable());
    assert!(ScriptedClient::from_json(r#"{"routes": {"GET /": []}}"#, clock).is_err());
}
