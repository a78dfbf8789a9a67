//! A local server that takes one request and replays one response.

use std::{collections::BTreeMap, io};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use crate::fixture::{Response, Then};

/// What was asked.
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Value,
}

/// Serves `response` once, its body in pieces of `piece` bytes; gives the address and what was asked.
pub(crate) async fn serve(response: Response, piece: usize) -> (String, JoinHandle<Asked>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let asked = read(&mut stream).await.unwrap();
        // The other side may leave early, as it does after a malformed message.
        let _ = answer(&mut stream, &response, piece).await;
        asked
    });
    (url, asked)
}

async fn read(stream: &mut TcpStream) -> io::Result<Asked> {
    let mut bytes = Vec::new();
    loop {
        let mut part = [0; 4096];
        let read = stream.read(&mut part).await?;
        bytes.extend_from_slice(&part[..read]);
        let text = std::str::from_utf8(&bytes).unwrap_or_default();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let mut lines = head.lines();
        let path = lines.next().unwrap().split(' ').nth(1).unwrap();
        let headers: BTreeMap<String, String> = lines
            .filter_map(|it| it.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        if body.len() == headers["content-length"].parse::<usize>().unwrap() {
            return Ok(Asked {
                path: path.to_owned(),
                body: serde_json::from_str(body).unwrap(),
                headers,
            });
        }
    }
}

async fn answer(stream: &mut TcpStream, response: &Response, piece: usize) -> io::Result<()> {
    if response.then == Then::Hang {
        return std::future::pending().await;
    }
    let mut head = format!(
        "HTTP/1.1 {} Any\r\nContent-Type: {}\r\nTransfer-Encoding: chunked\r\n",
        response.status,
        response.content_type()
    );
    for (name, value) in &response.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    stream.write_all(format!("{head}\r\n").as_bytes()).await?;
    for part in response.body().chunks(piece) {
        let size = format!("{:x}\r\n", part.len());
        stream
            .write_all(&[size.as_bytes(), part, b"\r\n"].concat())
            .await?;
        stream.flush().await?;
    }
    if response.then == Then::End {
        stream.write_all(b"0\r\n\r\n").await?;
    }
    stream.shutdown().await
}
