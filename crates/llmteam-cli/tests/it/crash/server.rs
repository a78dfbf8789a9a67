//! The models and the publishing service: one local server that knows every call it got and which are open.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

/// A step and the number of its activation.
pub(super) type Activation = (String, usize);

#[derive(Clone)]
pub(super) struct Server {
    pub(super) port: u16,
    answers_after: Duration,
    calls: Arc<Mutex<Calls>>,
}

#[derive(Default)]
struct Calls {
    counts: BTreeMap<Activation, u32>,
    open: u32,
}

impl Server {
    pub(super) fn start(answers_after: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self {
            port: listener.local_addr().unwrap().port(),
            answers_after,
            calls: Arc::default(),
        };
        let serving = server.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let server = serving.clone();
                thread::spawn(move || while server.answer(&stream).is_some() {});
            }
        });
        server
    }

    /// How often each step activation called.
    pub(super) fn counts(&self) -> BTreeMap<Activation, u32> {
        self.calls().counts.clone()
    }

    /// Counts from zero again.
    pub(super) fn forget(&self) {
        self.settle();
        self.calls().counts.clear();
    }

    /// Whether a call has arrived whose answer has not begun.
    pub(super) fn is_in_call(&self) -> bool {
        self.calls().open > 0
    }

    /// Waits until no call is open, so that the next open one is of the next child.
    pub(super) fn settle(&self) {
        while self.is_in_call() {
            thread::sleep(Duration::from_millis(1));
        }
    }

    fn calls(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap()
    }

    /// One exchange; none when the other side has gone.
    fn answer(&self, stream: &TcpStream) -> Option<()> {
        let (line, body) = request(stream)?;
        let (step, activation, reply) = reply(&line, &body);
        let reply = reply.to_string();
        {
            let mut calls = self.calls();
            *calls
                .counts
                .entry((step.to_owned(), activation))
                .or_default() += 1;
            calls.open += 1;
        }
        thread::sleep(self.answers_after);
        self.calls().open -= 1;
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            reply.len()
        );
        let mut stream = stream;
        stream.write_all((head + &reply).as_bytes()).ok()
    }
}

fn request(stream: &TcpStream) -> Option<(String, String)> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    if reader.read_line(&mut line).ok()? == 0 {
        return None;
    }
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let header = header.trim().to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((line, String::from_utf8(body).ok()?))
}

/// Whose call it is, and its answer.
fn reply(line: &str, body: &str) -> (&'static str, usize, Value) {
    if line.starts_with("POST /articles") {
        return ("publisher", 1, json!({"id": 7}));
    }
    let (step, activation, text) = if body.contains("usable brief") {
        let brief = r#"{"validated": {"topic": "t", "audience": "a"}}"#;
        ("validator", 1, brief)
    } else if body.contains("bolder") {
        ("writer", 2, "second draft")
    } else {
        ("writer", 1, "first draft")
    };
    let message = json!({"role": "assistant", "content": text});
    let choice = json!({"index": 0, "message": message, "finish_reason": "stop"});
    let usage = json!({"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5});
    let reply = json!({"id": "c", "object": "chat.completion", "model": "m", "choices": [choice], "usage": usage});
    (step, activation, reply)
}
