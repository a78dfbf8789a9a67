//! The few facts of a segment that the rules speak of, read from its JSON.
//!
//! Deliberately apart from the engine's own model: nothing here is shared with what it checks.

use serde_json::{Map, Value};

/// A segment as the rules see it: steps and edges in declaration order.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    /// `segment_id`.
    pub(super) id: String,
    /// Position of the entrypoint among the steps.
    pub(super) entry: usize,
    /// The steps, in declaration order.
    pub(super) steps: Vec<Step>,
    /// The edges, in declaration order.
    pub(super) edges: Vec<Edge>,
    /// `params.max_retries`.
    pub(super) max_retries: u64,
    /// `params.timeout_seconds` in milliseconds; 0 means none.
    pub(super) timeout_ms: u64,
    /// `params.parallel_execution`.
    pub(super) parallel: bool,
    /// `params.max_iterations`.
    pub(super) max_iterations: u64,
}

/// One step.
#[derive(Clone, Debug)]
pub(super) struct Step {
    /// `step_id`.
    pub(super) id: String,
    /// The catalog type id.
    pub(super) kind: String,
    /// `config`.
    pub(super) config: Map<String, Value>,
    /// `ports.output`.
    pub(super) outputs: Vec<String>,
}

/// One edge; its ends are positions among the steps.
#[derive(Clone, Debug)]
pub(super) struct Edge {
    /// The source step.
    pub(super) from: usize,
    /// The source port.
    pub(super) from_port: String,
    /// The target step.
    pub(super) to: usize,
    /// The target port.
    pub(super) to_port: String,
    /// The condition, when there is one.
    pub(super) condition: Option<String>,
}

/// What the rules need to know of a step type.
#[derive(Clone, Debug, Default)]
pub(super) struct StepType {
    /// Input ports that a connected value is not required on; every other port is required.
    pub(super) optional_inputs: Vec<String>,
    /// Catalog output ports.
    pub(super) outputs: Vec<String>,
    /// The primary output port.
    pub(super) primary: Option<String>,
    /// `supports_retry`.
    pub(super) supports_retry: bool,
    /// `supports_timeout`.
    pub(super) supports_timeout: bool,
}

impl StepType {
    /// A type of the built-in catalog.
    #[must_use]
    pub(super) fn builtin(kind: &str) -> Option<Self> {
        let (outputs, primary): (&[&str], Option<&str>) = match kind {
            "llm_agent" => (&["output", "error"], Some("output")),
            "http_action" => (&["response", "status"], Some("response")),
            "human_task" => (&["approved", "rejected", "modified"], None),
            "condition" => (&["true", "false"], None),
            "parallel_split" => (&[], None),
            "parallel_join" | "transform" => (&["output"], Some("output")),
            _ => return None,
        };
        Some(Self {
            optional_inputs: Vec::new(),
            outputs: outputs.iter().map(ToString::to_string).collect(),
            primary: primary.map(str::to_owned),
            supports_retry: true,
            supports_timeout: true,
        })
    }

    /// A type made up by a case: the export form of its metadata, every key optional.
    #[must_use]
    pub(super) fn from_metadata(metadata: &Value) -> Self {
        let ports = |key: &str| metadata[key].as_array().cloned().unwrap_or_default();
        let name = |port: &Value| port["name"].as_str().unwrap_or_default().to_owned();
        Self {
            optional_inputs: ports("input_ports")
                .iter()
                .filter(|port| port["required"] == false)
                .map(name)
                .collect(),
            outputs: ports("output_ports").iter().map(name).collect(),
            primary: metadata["primary_output"].as_str().map(str::to_owned),
            supports_retry: metadata["supports_retry"] != false,
            supports_timeout: metadata["supports_timeout"] != false,
        }
    }
}

/// Reads a segment; `None` when it is not one that may run.
#[must_use]
pub(super) fn read(json: &Value) -> Option<Segment> {
    let steps: Vec<Step> = json["steps"]
        .as_array()?
        .iter()
        .map(step)
        .collect::<Option<_>>()?;
    let at = |id: &str| steps.iter().position(|step| step.id == id);
    let entry = match json.get("entrypoint").and_then(Value::as_str) {
        Some(id) => at(id)?,
        None => 0,
    };
    let no_edges = Vec::new();
    let edges = json
        .get("edges")
        .and_then(Value::as_array)
        .unwrap_or(&no_edges);
    let edges = edges
        .iter()
        .map(|edge| {
            Some(Edge {
                from: at(first_of(edge, &["from", "from_step", "source_step"])?)?,
                from_port: first_of(edge, &["from_port", "source_port"])
                    .unwrap_or("output")
                    .to_owned(),
                to: at(first_of(edge, &["to", "to_step", "target_step"])?)?,
                to_port: first_of(edge, &["to_port", "target_port"])
                    .unwrap_or("input")
                    .to_owned(),
                condition: edge["condition"]
                    .as_str()
                    .filter(|text| !text.is_empty())
                    .map(str::to_owned),
            })
        })
        .collect::<Option<Vec<_>>>()?;
    let params = &json["params"];
    if steps.is_empty()
        || (1..steps.len()).any(|i| steps[..i].iter().any(|step| step.id == steps[i].id))
    {
        return None;
    }
    Some(Segment {
        id: json["segment_id"].as_str()?.to_owned(),
        entry,
        steps,
        edges,
        max_retries: params["max_retries"].as_u64().unwrap_or(3),
        timeout_ms: milliseconds(&params["timeout_seconds"]).unwrap_or(300_000),
        parallel: params["parallel_execution"] == true,
        max_iterations: params["max_iterations"].as_u64().unwrap_or(100),
    })
}

fn step(json: &Value) -> Option<Step> {
    let outputs = match json["ports"]["output"].as_array() {
        Some(names) => names
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
        None => vec!["output".to_owned()],
    };
    Some(Step {
        id: json["step_id"].as_str()?.to_owned(),
        kind: first_of(json, &["type", "step_type"])?.to_owned(),
        config: json["config"].as_object().cloned().unwrap_or_default(),
        outputs,
    })
}

fn first_of<'a>(json: &'a Value, keys: &[&str]) -> Option<&'a str> {
    keys.iter()
        .find_map(|key| json.get(*key))
        .and_then(Value::as_str)
}

/// A JSON number of seconds in whole milliseconds.
#[must_use]
pub(super) fn milliseconds(seconds: &Value) -> Option<u64> {
    seconds
        .as_f64()
        .map(|seconds| (seconds * 1000.0).round() as u64)
}

impl Segment {
    /// Outgoing edges of a step, in declaration order.
    pub(super) fn outgoing(&self, step: usize) -> impl Iterator<Item = usize> + '_ {
        (0..self.edges.len()).filter(move |&edge| self.edges[edge].from == step)
    }

    /// Incoming edges of a step, in declaration order.
    pub(super) fn incoming(&self, step: usize) -> impl Iterator<Item = usize> + '_ {
        (0..self.edges.len()).filter(move |&edge| self.edges[edge].to == step)
    }

    /// The effective output ports and the default port of a step.
    #[must_use]
    pub(super) fn ports(&self, step: usize, kind: &StepType) -> (Vec<String>, String) {
        let declared = &self.steps[step].outputs;
        let explicit = declared.as_slice() != ["output"];
        let mut ports = kind.outputs.clone();
        if self.steps[step].kind == "parallel_split" {
            let branches = self.steps[step]
                .config
                .get("branches")
                .and_then(Value::as_u64)
                .unwrap_or(2);
            ports = (1..=branches).map(|n| format!("branch_{n}")).collect();
        }
        let catalog = ports.clone();
        let mut primary = kind.primary.clone();
        if let Some(old) = &kind.primary
            && explicit
            && !declared.contains(old)
            && let Some(new) = declared.iter().find(|name| !catalog.contains(name))
        {
            ports
                .iter_mut()
                .filter(|port| *port == old)
                .for_each(|port| port.clone_from(new));
            primary = Some(new.clone());
        }
        let default = primary
            .or_else(|| declared.first().filter(|_| explicit).cloned())
            .or_else(|| catalog.first().cloned())
            .unwrap_or_else(|| "output".to_owned());
        let bare_default_adds_nothing = !explicit && !catalog.is_empty();
        let declared = declared.iter().filter(|_| !bare_default_adds_nothing);
        let named = self
            .outgoing(step)
            .map(|edge| &self.edges[edge].from_port)
            .filter(|port| *port != "output");
        for port in declared.chain(named) {
            if !ports.contains(port) {
                ports.push(port.clone());
            }
        }
        (ports, default)
    }
}
