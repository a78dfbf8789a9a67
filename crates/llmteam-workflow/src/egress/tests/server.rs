//! A server on this machine that behaves as badly as a test wants.

use std::{
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use llmteam_security::clock::{Clock, SystemClock, Wake};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// What a server does with one connection after it has read the request.
#[derive(Clone)]
pub(super) enum Act {
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
pub(super) struct Server {
    pub(super) port: u16,
    requests: Arc<Mutex<Vec<String>>>,
    connections: Arc<AtomicUsize>,
}

impl Server {
    pub(super) async fn start(act: Act) -> Self {
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

    pub(super) async fn saying(response: &str) -> Self {
        Self::start(Act::Say(response.into())).await
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(super) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    pub(super) fn connections(&self) -> usize {
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
