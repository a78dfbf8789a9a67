//! The program is killed at seeded moments; what was finished is not done again, and the result is the same.
//!
//! Models and the publishing service are one local server that counts the calls of each kind.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::program::{Called, Place, example};

/// How long the server takes to answer, so that a kill can fall inside a call.
const ANSWERS_AFTER: Duration = Duration::from_millis(15);
const KILLS: u32 = 50;

type Counts = Arc<Mutex<HashMap<String, u32>>>;

fn serve() -> (u16, Counts) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let counts = Counts::default();
    let counted = Arc::clone(&counts);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let counts = Arc::clone(&counted);
            thread::spawn(move || while answer(&stream, &counts).is_some() {});
        }
    });
    (port, counts)
}

/// One exchange; none when the other side has gone.
fn answer(stream: &TcpStream, counts: &Counts) -> Option<()> {
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
    let body = String::from_utf8(body).ok()?;
    let (call, reply) = reply(&line, &body);
    *counts.lock().unwrap().entry(call.to_owned()).or_default() += 1;
    thread::sleep(ANSWERS_AFTER);
    let reply = reply.to_string();
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        reply.len()
    );
    let mut stream = stream;
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(reply.as_bytes()).ok()
}

fn reply(line: &str, body: &str) -> (&'static str, Value) {
    if line.starts_with("POST /articles") {
        return ("publisher", json!({"id": 7}));
    }
    let (call, text) = if body.contains("usable brief") {
        (
            "validator",
            r#"{"validated": {"topic": "t", "audience": "a"}}"#,
        )
    } else if body.contains("bolder") {
        ("writer 2", "second draft")
    } else {
        ("writer 1", "first draft")
    };
    let message = json!({"role": "assistant", "content": text});
    let choice = json!({"index": 0, "message": message, "finish_reason": "stop"});
    let usage = json!({"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5});
    (
        call,
        json!({"id": "c", "object": "chat.completion", "model": "m", "choices": [choice], "usage": usage}),
    )
}

fn configured(port: u16) -> Place {
    let place = Place::new();
    let config = format!(
        "[llm.main]\nkind = \"openai\"\nmodel = \"m\"\nbase_url = \"http://127.0.0.1:{port}/v1\"\n\
         [http.cms]\nkind = \"http\"\nbase_url = \"http://127.0.0.1:{port}\"\ndeduplicates = true\n\
         [people]\nkind = \"scripted\"\nscript = \"people.json\"\n"
    );
    place.write("c.toml", config);
    place.write(
        "people.json",
        r#"{"answers": {"reviewer": [{"review_changes": {"tone": "bolder"}}, {"approved": true}]}}"#,
    );
    place
}

/// What does not depend on times: result, and the kinds and steps of all events.
fn outline(place: &Place, called: &Called) -> (Value, Vec<String>) {
    let lines: Vec<Value> = called
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let (result, events) = lines.split_last().unwrap();
    let told = events.iter().filter(|it| {
        let kind = it["event_type"].as_str().unwrap();
        // E-06: what a handler says of its calls appears again when it runs again.
        !kind.starts_with("call.") && !kind.starts_with("action.")
    });
    let events = told.map(|it| {
        format!(
            "{} {} {}",
            it["event_type"], it["step_id"], it["payload"]["activation"]
        )
    });
    let shown = place.call(&["runs", "show", "r1"]).exits(0).json();
    assert_eq!(shown["status"], result["status"]);
    (
        json!({"status": result["status"], "output": result["output"], "steps": result["steps_completed"]}),
        events.collect(),
    )
}

// covers: X-80, X-87
#[test]
fn a_killed_run_goes_on_where_it_was() {
    let segment = example("content_pipeline.json");
    let run = [
        "run", &segment, "--config", "c.toml", "--run-id", "r1", "--events",
    ];
    let resume = ["resume", "r1", "--config", "c.toml", "--events"];
    let (port, calm_counts) = serve();
    let calm = configured(port);
    let expected = outline(&calm, &calm.call(&run).exits(0));
    assert_eq!(expected.0["status"], "completed");
    assert!(
        calm_counts
            .lock()
            .unwrap()
            .values()
            .all(|count| *count == 1)
    );

    let (mut hits, mut seed) = (0, 0x2545_f491_4f6c_dd1d_u64);
    for _ in 0..40 * KILLS {
        if hits >= KILLS {
            return;
        }
        let (port, counts) = serve();
        let place = configured(port);
        let mut killed = 0;
        let mut next: &[&str] = &run;
        let last = loop {
            let mut child = place
                .command(next)
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            thread::sleep(Duration::from_millis(seed % 260));
            let live = child.try_wait().unwrap().is_none();
            if live && killed < 5 {
                child.kill().unwrap();
            }
            let called = Called::of(&child.wait_with_output().unwrap());
            if called.code == Some(0) {
                break called;
            }
            assert_eq!(called.code, None, "it ended by itself: {}", called.out);
            let shown = place.call(&["runs", "show", "r1"]);
            // A kill counts when a record was there and none was final.
            if shown.code != Some(0) {
                continue;
            }
            killed += 1;
            if shown.json()["status"] == "completed" {
                check_stored(&place, &expected.0);
                hits += killed - 1;
                break called;
            }
            next = &resume;
        };
        for (call, count) in counts.lock().unwrap().iter() {
            assert!(
                *count <= 1 + killed,
                "{call}: {count} calls, {killed} kills"
            );
        }
        if last.code == Some(0) {
            assert_eq!(outline(&place, &last), expected);
            hits += killed;
        }
    }
    panic!("only {hits} kills hit a live run");
}

/// The kill fell after the last record: the stored result is the undisturbed one.
fn check_stored(place: &Place, expected: &Value) {
    let shown = place.call(&["runs", "show", "r1"]).exits(0).json();
    assert_eq!(shown["result"]["output"], expected["output"]);
}
