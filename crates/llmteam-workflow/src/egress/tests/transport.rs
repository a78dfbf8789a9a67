//! The rules that every call is held to.

use std::{
    io::{self, Write},
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use flate2::{Compression, write::GzEncoder};
use llmteam_orchestration::call::Sent;
use llmteam_security::clock::SystemClock;
use reqwest::header::HeaderMap;
use tokio::net::TcpListener;

use super::server::{Act, Server};
use crate::egress::{resolve::Lookup, *};

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
        "egress::tests::transport::proxies_of_the_environment_are_ignored",
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
