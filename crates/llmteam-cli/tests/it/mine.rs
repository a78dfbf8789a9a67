//! What `llmteam mine` reads from the runs of the examples: they loop, are refused, wait, and work side by side.

use serde_json::{Value, json};

use crate::program::{Place, example};

/// Runs of three segments in one database.
struct Recorded {
    place: Place,
}

impl Recorded {
    /// `r1` and `r2` were sent back once, `r3` was approved at once, `r4` refused, `r5` waits; `h1` and `h2` greet, `t1` is a team.
    fn new() -> Self {
        let recorded = Self {
            place: Place::new(),
        };
        for run in ["r1", "r2"] {
            recorded.run("content_pipeline", "content_pipeline", run);
        }
        recorded.answered("r3", "--approve");
        recorded.answered("r4", "--reject");
        recorded.run("content_pipeline", "content_pipeline.inbox", "r5");
        for run in ["h1", "h2"] {
            recorded.run("hello", "hello", run);
        }
        recorded.run("research_team", "research_team", "t1");
        recorded
    }

    fn run(&self, segment: &str, config: &str, run: &str) -> Value {
        let (segment, config) = (
            example(&format!("{segment}.json")),
            example(&format!("{config}.toml")),
        );
        let words = ["run", &segment, "--config", &config, "--run-id", run];
        self.place.call(&words).exits(0).json()
    }

    fn answered(&self, run: &str, answer: &str) {
        let waiting = self.run("content_pipeline", "content_pipeline.inbox", run);
        let request = waiting["pending_requests"][0].as_str().unwrap();
        let config = example("content_pipeline.inbox.toml");
        self.place
            .call(&["tasks", "answer", request, answer, "--config", &config])
            .exits(0);
    }

    fn mine(&self, words: &[&str]) -> Value {
        self.place
            .call(&[&["mine"], words].concat())
            .exits(0)
            .json()
    }

    /// A segment of the examples, changed.
    fn changed(&self, name: &str, change: impl FnOnce(&mut Value)) -> String {
        let text = std::fs::read_to_string(example(&format!("{name}.json"))).unwrap();
        let mut segment: Value = serde_json::from_str(&text).unwrap();
        change(&mut segment);
        self.place
            .write(&format!("{name}.json"), segment.to_string())
    }
}

const ARTICLES: [&str; 2] = ["--segment", "content_pipeline"];

fn entry<'v>(list: &'v Value, key: &str, value: &str) -> &'v Value {
    let mut entries = list.as_array().unwrap().iter();
    entries.find(|it| it[key] == value).unwrap_or(&Value::Null)
}

#[test]
fn what_followed_what_how_often_and_how_long() {
    let recorded = Recorded::new();
    let model = recorded.mine(&[&["discover"], &ARTICLES[..]].concat());
    assert_eq!(model["cases"], 5);
    assert_eq!(
        model["activities"],
        json!(["validator", "writer", "reviewer", "publisher"])
    );
    let expected = json!([
        {"from": "reviewer", "to": "publisher", "value": 3},
        {"from": "reviewer", "to": "writer", "value": 2},
        {"from": "validator", "to": "writer", "value": 5},
        {"from": "writer", "to": "reviewer", "value": 6},
    ]);
    assert_eq!(model["frequencies"], expected);
    assert_eq!(model["starts"], json!({"validator": 5}));
    assert_eq!(
        model["ends"],
        json!({"publisher": 3, "reviewer": 1, "writer": 1})
    );

    let ways = recorded.mine(&[&["variants"], &ARTICLES[..]].concat());
    assert_eq!((&ways["cases"], &ways["variants"]), (&json!(5), &json!(4)));
    let first = &ways["ways"][0];
    assert_eq!((&first["cases"], &first["share"]), (&json!(2), &json!(0.4)));
    let looped = [
        "validator",
        "writer",
        "reviewer",
        "writer",
        "reviewer",
        "publisher",
    ];
    assert_eq!(first["activities"], json!(looped));

    let times = recorded.mine(&[&["performance"], &ARTICLES[..]].concat());
    assert_eq!(times["rework"]["writer"]["cases"], 2);
    assert_eq!(times["rework"]["reviewer"]["ratio"], json!(0.5));
    let reviewer = entry(&times["steps"], "step", "reviewer");
    assert_eq!(reviewer["times"], 6);
    // Nearly all of a review is waiting for the person.
    let (service, suspended) = (
        reviewer["service"]["sum"].as_f64(),
        reviewer["suspended"]["sum"].as_f64(),
    );
    assert!(suspended > Some(0.0) && suspended <= service, "{reviewer}");
    assert_eq!(
        entry(&times["steps"], "step", "writer")["suspended"]["sum"],
        0.0
    );
    let handover = times["handover"].as_array().unwrap();
    let of = |from: &str, to: &str| {
        handover
            .iter()
            .any(|it| it["from"] == from && it["to"] == to)
    };
    assert!(
        of("llm.main", "llm.main") && of("llm.main", "local") && of("local", "http.cms"),
        "{handover:?}"
    );
    assert_eq!(times["metrics"]["completion_rate"], 0.8);
}

#[test]
fn models_are_found_and_drawn() {
    let recorded = Recorded::new();
    let finished = ["--status", "completed"];
    let discover = [&["discover"], &ARTICLES[..], &finished].concat();
    let tree = recorded.mine(&[&discover[..], &["--miner", "inductive"]].concat());
    assert_eq!(tree["fitness"], 1.0, "{tree}");
    let net = recorded.mine(&[&discover[..], &["--miner", "heuristics"]].concat());
    assert!(net["edges"].as_array().unwrap().len() >= 3, "{net}");
    let drawn = |words: &[&str]| {
        recorded
            .place
            .call(&[&["mine"], &discover[..], words].concat())
            .exits(0)
            .out
    };
    assert!(drawn(&["--dot"]).starts_with("digraph model {"));
    assert!(drawn(&["--mermaid"]).starts_with("flowchart LR"));
    assert!(drawn(&["--miner", "inductive", "--dot"]).contains("shape=circle"));
    let pnml = drawn(&["--miner", "inductive", "--pnml"]);
    assert!(
        pnml.contains("<pnml") && pnml.contains("publisher"),
        "{pnml}"
    );
    let no_net = recorded
        .place
        .call(&["mine", "discover", "--pnml"])
        .exits(2);
    assert!(no_net.err.contains("--miner inductive"), "{}", no_net.err);
}

// covers: MC-06
#[test]
fn segments_are_not_mixed_and_tenants_see_their_own() {
    let recorded = Recorded::new();
    let mixed = recorded.place.call(&["mine", "discover"]).exits(2);
    assert!(
        mixed.err.contains("content_pipeline, hello, research_team"),
        "{}",
        mixed.err
    );
    recorded.place.call(&["tenants", "create", "acme"]).exits(0);
    let other = recorded.mine(&["discover", "--tenant", "acme"]);
    assert_eq!(
        (&other["cases"], &other["activities"]),
        (&json!(0), &json!([]))
    );
    let later = recorded.mine(&[
        "variants",
        "--segment",
        "hello",
        "--since",
        "2100-01-01T00:00:00Z",
    ]);
    assert_eq!(later["cases"], 0);
    let earlier = recorded.mine(&[
        "variants",
        "--segment",
        "hello",
        "--until",
        "2100-01-01T00:00:00Z",
    ]);
    assert_eq!(earlier["cases"], 2);
}

#[test]
fn runs_are_as_designed_when_they_began() {
    let recorded = Recorded::new();
    for (segment, runs, unfinished) in [
        ("content_pipeline", 4, 1),
        ("hello", 2, 0),
        ("research_team", 1, 0),
    ] {
        let report = recorded.mine(&["conformance", segment]);
        assert_eq!(report["versions"].as_array().map(Vec::len), Some(1));
        let found = &report["versions"][0]["as_started"];
        assert_eq!(
            (&found["runs"], &found["unfinished"]),
            (&json!(runs), &json!(unfinished))
        );
        assert_eq!(
            (&found["conforming"], &found["fitness"]),
            (&json!(runs), &json!(1.0)),
            "{report}"
        );
        assert_eq!(
            (&found["token_fitness"], &found["deviations"]),
            (&json!(1.0), &json!([])),
            "{report}"
        );
        assert_eq!(report["versions"][0]["as_designed_now"], Value::Null);
        // A file with the same design is the same design.
        let of_file = recorded.mine(&["conformance", &example(&format!("{segment}.json"))]);
        assert_eq!(of_file["versions"], report["versions"]);
    }
}

// covers: MC-22
#[test]
fn a_step_that_was_taken_out_of_the_design_is_the_one_deviation() {
    let recorded = Recorded::new();
    let now = recorded.changed("hello", |segment| {
        let steps = segment["steps"].as_array_mut().unwrap();
        steps.remove(1);
        let (first, last) = (steps[0]["step_id"].clone(), steps[1]["step_id"].clone());
        segment["edges"] = json!([{"from": first, "to": last}]);
    });
    let report = recorded.mine(&["conformance", &now]);
    let version = &report["versions"][0];
    assert_eq!(version["as_started"]["conforming"], 2);
    let found = &version["as_designed_now"];
    assert_eq!(
        (&found["runs"], &found["conforming"]),
        (&json!(2), &json!(0))
    );
    let removed = recorded_step("hello", 1);
    let expected = json!([{
        "kind": "unexpected", "step": removed, "after": recorded_step("hello", 0), "designed": false,
        "runs": 2, "times": 2, "examples": ["h1", "h2"],
    }]);
    assert_eq!(found["deviations"], expected);
    // Of three events one is not in the design, whose shortest way has two.
    assert_eq!(found["fitness"], json!(0.8));
}

fn recorded_step(name: &str, at: usize) -> Value {
    let text = std::fs::read_to_string(example(&format!("{name}.json"))).unwrap();
    let segment: Value = serde_json::from_str(&text).unwrap();
    segment["steps"][at]["step_id"].clone()
}

#[test]
fn a_step_that_was_put_into_the_design_is_missing() {
    let recorded = Recorded::new();
    let now = recorded.changed("hello", |segment| {
        let steps = segment["steps"].as_array_mut().unwrap();
        let last = steps.last().unwrap()["step_id"].clone();
        steps.push(json!({"step_id": "farewell", "type": "transform"}));
        segment["edges"]
            .as_array_mut()
            .unwrap()
            .push(json!({"from": last, "to": "farewell"}));
    });
    let report = recorded.mine(&["conformance", &now]);
    let deviation = &report["versions"][0]["as_designed_now"]["deviations"];
    assert_eq!(deviation.as_array().map(Vec::len), Some(1), "{report}");
    assert_eq!(
        (&deviation[0]["kind"], &deviation[0]["step"]),
        (&json!("missing"), &json!("farewell"))
    );
    assert_eq!(deviation[0]["runs"], 2);
}

// covers: MC-21
#[test]
fn each_run_is_compared_with_the_definition_it_began_with() {
    let recorded = Recorded::new();
    let now = recorded.changed("hello", |segment| {
        segment["description"] = json!("The same steps.");
    });
    let config = example("hello.toml");
    recorded
        .place
        .call(&["run", &now, "--config", &config, "--run-id", "h3"])
        .exits(0);
    let report = recorded.mine(&["conformance", "hello"]);
    let versions = report["versions"].as_array().unwrap();
    let told: Vec<_> = versions
        .iter()
        .map(|it| (&it["as_started"]["runs"], &it["as_started"]["conforming"]))
        .collect();
    assert_eq!(told, [(&json!(2), &json!(2)), (&json!(1), &json!(1))]);
    // The file is what the newer runs began with, and another design for the older ones.
    let of_file = recorded.mine(&["conformance", &now]);
    assert_eq!(of_file["versions"][1]["as_designed_now"], Value::Null);
    assert_eq!(of_file["versions"][0]["as_designed_now"]["conforming"], 2);
    let digest = versions[1]["definition"].as_str().unwrap();
    let one = recorded.mine(&[
        "variants",
        "--segment",
        "hello",
        "--definition",
        &digest[..10],
    ]);
    assert_eq!(one["cases"], 1);
}

// covers: MC-20
#[test]
fn what_cannot_be_compared_is_said() {
    let place = Place::new();
    let missing = place
        .call(&["mine", "conformance", "nowhere.json"])
        .exits(2);
    assert!(missing.err.contains("FILE_NOT_FOUND"), "{}", missing.err);
    place.call(&["mine", "conformance", "No Id"]).exits(2);
    let none = place.call(&["mine", "conformance", "hello"]).exits(0);
    assert_eq!(none.json()["versions"], json!([]));
    assert!(none.err.contains("no runs"), "{}", none.err);
    place.write("log.txt", "");
    place
        .call(&["mine", "discover", "--log", "log.txt"])
        .exits(2);
    place.write("log.xes", "<log>");
    let broken = place
        .call(&["mine", "discover", "--log", "log.xes"])
        .exits(2);
    assert!(broken.err.contains("FILE_UNREADABLE"), "{}", broken.err);
}

#[test]
fn exported_runs_are_read_back_and_what_somebody_edited_is_found() {
    let recorded = Recorded::new();
    let place = &recorded.place;
    let xes = [
        "mine",
        "export",
        "--segment",
        "content_pipeline",
        "-o",
        "runs.xes",
    ];
    let exported = place.call(&xes).exits(0);
    assert_eq!(
        (exported.out.as_str(), exported.err.as_str()),
        ("", "5 runs written to runs.xes\n")
    );
    let own = recorded.mine(&[&["discover"], &ARTICLES[..]].concat());
    assert_eq!(recorded.mine(&["discover", "--log", "runs.xes"]), own);
    for (format, name) in [("ocel", "runs.json"), ("ocel-xml", "runs.xml")] {
        place
            .call(&[
                "mine",
                "export",
                "--segment",
                "content_pipeline",
                "--format",
                format,
                "-o",
                name,
            ])
            .exits(0);
        assert_eq!(recorded.mine(&["discover", "--log", name]), own, "{name}");
        let by_agent = recorded.mine(&["discover", "--log", name, "--objects", "agent"]);
        assert_eq!(by_agent["cases"], 3, "{by_agent}");
    }
    let text = std::fs::read_to_string(place.path("runs.xes")).unwrap();
    for secret in [
        "begin with what the reader fears",
        "Your process will die",
        "articles/7",
    ] {
        assert!(!text.contains(secret), "{secret}");
    }

    let design = example("content_pipeline.json");
    let compare = |name: &str| recorded.mine(&["conformance", &design, "--log", name]);
    let whole = &compare("runs.xes")["versions"][0];
    assert_eq!(
        (
            &whole["as_designed_now"]["runs"],
            &whole["as_designed_now"]["conforming"]
        ),
        (&json!(4), &json!(4))
    );
    // r3 loses its review, and everybody checks the brief twice in r4.
    let edited = without_event(&text, "r3", "reviewer");
    let edited = with_event_twice(&edited, "r4", "validator");
    place.write("edited.xes", edited);
    let found = &compare("edited.xes")["versions"][0]["as_designed_now"];
    assert_eq!(
        (&found["runs"], &found["conforming"]),
        (&json!(4), &json!(2)),
        "{found}"
    );
    let deviation = |kind: &str, step: &str| {
        let all = found["deviations"].as_array().unwrap();
        all.iter()
            .find(|it| it["kind"] == kind && it["step"] == step)
            .cloned()
            .unwrap_or_default()
    };
    let missing = deviation("missing", "reviewer");
    assert_eq!(
        (&missing["after"], &missing["examples"]),
        (&json!("writer"), &json!(["r3"])),
        "{found}"
    );
    let unexpected = deviation("unexpected", "validator");
    assert_eq!(
        (&unexpected["designed"], &unexpected["examples"]),
        (&json!(true), &json!(["r4"])),
        "{found}"
    );
    assert_eq!(
        found["deviations"].as_array().map(Vec::len),
        Some(2),
        "{found}"
    );
}

/// The event of a step in the trace of a run, as it stands in the file.
fn event<'t>(text: &'t str, run: &str, step: &str) -> &'t str {
    let trace = &text[text.find(&format!("value=\"{run}\"")).unwrap()..];
    let trace = &trace[..trace.find("</trace>").unwrap()];
    let mut events = trace
        .split_inclusive("</event>")
        .map(|it| &it[it.find("<event>").unwrap_or(0)..]);
    events
        .find(|it| it.contains(&format!("value=\"{step}\"")))
        .unwrap()
}

fn without_event(text: &str, run: &str, step: &str) -> String {
    text.replacen(event(text, run, step), "", 1)
}

fn with_event_twice(text: &str, run: &str, step: &str) -> String {
    let event = event(text, run, step);
    text.replacen(event, &format!("{event}\n{event}"), 1)
}
