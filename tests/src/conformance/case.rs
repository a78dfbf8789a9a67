//! The case files: `NAME.expect.json` with the cases of the segment in `NAME.json`.
//!
//! Unknown keys are refused, so that a misspelt expectation cannot pass unnoticed.

use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// One expectation file, its segment resolved.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseFile {
    /// The segment: a file beside this one, or the segment itself.
    pub segment: Value,
    /// For the reader.
    #[serde(default)]
    pub note: String,
    /// Step types the cases register beside the built-in ones: type id to metadata.
    #[serde(default)]
    pub types: Map<String, Value>,
    /// The cases.
    pub cases: Vec<Case>,
    /// Where it was read from.
    #[serde(skip)]
    pub path: PathBuf,
}

/// One case: how a run is made and what must come of it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// Its name, unique within the file.
    pub case: String,
    /// For the reader.
    #[serde(default)]
    pub note: String,
    /// The rules it exercises.
    #[serde(default)]
    pub rules: Vec<String>,
    /// A segment of its own, in place of the file's.
    #[serde(default)]
    pub segment: Option<Value>,
    /// The run input.
    #[serde(default = "empty_object")]
    pub input: Value,
    /// The run's configuration.
    #[serde(default)]
    pub run: Map<String, Value>,
    /// Per step, what each handler call answers.
    #[serde(default)]
    pub script: BTreeMap<String, Vec<Value>>,
    /// Control actions.
    #[serde(default)]
    pub control: Vec<Value>,
    /// Model name to its replies, one per call, the last one repeats.
    #[serde(default)]
    pub llm: BTreeMap<String, Vec<Value>>,
    /// HTTP client name to its responses, one per call, the last one repeats.
    #[serde(default)]
    pub http: BTreeMap<String, Vec<Value>>,
    /// Prompt templates of the store `prompts`.
    #[serde(default)]
    pub prompts: Map<String, Value>,
    /// What goes wrong around the run: `callbacks`, `snapshot_save`.
    #[serde(default)]
    pub faults: Vec<String>,
    /// What must come of it.
    pub expect: Expectation,
    /// Validate instead of running.
    #[serde(default)]
    pub validate_only: bool,
    /// For `validate_only`: text to validate in place of the segment.
    #[serde(default)]
    pub text: Option<String>,
    /// For `validate_only`: warnings count as errors.
    #[serde(default)]
    pub strict: bool,
}

/// What a case expects; absent keys are not compared.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Expectation {
    /// The status of the result.
    pub status: Option<String>,
    /// The output of the result.
    pub output: Option<Value>,
    /// `error_type`, `error_code`, `recoverable`, `step_id` for `current_step`, and
    /// `message_contains`.
    pub error: Option<Map<String, Value>>,
    /// The exact sequence of `type` or `type:step_id`.
    pub events: Option<Vec<String>>,
    /// Step to skip reason, exactly.
    pub skipped: Option<BTreeMap<String, String>>,
    /// Step to the number of its activations.
    pub activations: Option<BTreeMap<String, u64>>,
    /// Step to the input object of each activation.
    pub step_inputs: Option<BTreeMap<String, Vec<Value>>>,
    /// Distinct completed steps.
    pub steps_completed: Option<u64>,
    /// Handled and absorbed failures.
    pub steps_failed: Option<u64>,
    /// Skip events.
    pub steps_skipped: Option<u64>,
    /// All steps.
    pub steps_total: Option<u64>,
    /// `current_step` of a run without error.
    pub current_step: Option<Value>,
    /// The result's duration.
    pub duration_ms: Option<u64>,
    /// Parts of events' payloads.
    pub payloads: Option<Vec<PayloadCheck>>,
    /// Parts of the human requests, in the order in which they were made.
    pub requests: Option<Vec<Value>>,
    /// Model name to parts of the calls it got.
    pub llm_calls: Option<BTreeMap<String, Vec<Value>>>,
    /// HTTP client name to parts of the calls it got.
    pub http_calls: Option<BTreeMap<String, Vec<Value>>>,
    /// Store name to the keys and values it holds in the end.
    pub stores: Option<BTreeMap<String, Value>>,
    /// `contiguous`: ids are `<run_id>:1..n`.
    pub event_ids: Option<String>,
    /// For `validate_only`: whether there is no error.
    pub is_valid: Option<bool>,
    /// For `validate_only`: every error and warning, in any order.
    pub messages_unordered: Option<Vec<Map<String, Value>>>,
}

/// A part of one event's payload; the event's error is its key `error`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PayloadCheck {
    /// The event, as in the list of events.
    pub event: String,
    /// Which of the events of that label, from 1.
    #[serde(default = "first")]
    pub n: usize,
    /// Keys that the payload must have, with their values.
    pub has: Value,
}

fn first() -> usize {
    1
}

fn empty_object() -> Value {
    Value::Object(Map::new())
}

impl CaseFile {
    /// `NAME` of `NAME.expect.json`.
    #[must_use]
    pub fn name(&self) -> String {
        let name = self
            .path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned());
        name.unwrap_or_default()
            .trim_end_matches(".expect.json")
            .to_owned()
    }

    /// The segment a case runs.
    #[must_use]
    pub fn segment_of<'a>(&'a self, case: &'a Case) -> &'a Value {
        case.segment.as_ref().unwrap_or(&self.segment)
    }
}

/// Reads one expectation file and the segment it names.
///
/// # Errors
///
/// A sentence that names the file and what is wrong with it.
pub fn load_file(path: &Path) -> Result<CaseFile, String> {
    let read = |path: &Path| {
        fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
    };
    let mut file: CaseFile = serde_json::from_str(&read(path)?)
        .map_err(|error| format!("{}: {error}", path.display()))?;
    if let Value::String(name) = &file.segment {
        let beside = path.with_file_name(name);
        file.segment = serde_json::from_str(&read(&beside)?)
            .map_err(|error| format!("{}: {error}", beside.display()))?;
    }
    file.path = path.to_owned();
    Ok(file)
}

/// Reads every `*.expect.json` of a directory, in the order of their names.
///
/// # Errors
///
/// A sentence for the first file that cannot be read; also when the directory has none.
pub fn load_dir(dir: &Path) -> Result<Vec<CaseFile>, String> {
    let entries = fs::read_dir(dir).map_err(|error| format!("{}: {error}", dir.display()))?;
    let mut paths: Vec<PathBuf> = entries
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .collect();
    paths.retain(|path| path.to_string_lossy().ends_with(".expect.json"));
    paths.sort();
    if paths.is_empty() {
        return Err(format!("{}: no `*.expect.json`", dir.display()));
    }
    paths.iter().map(|path| load_file(path)).collect()
}
