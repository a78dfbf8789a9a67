//! The contract, key by key: which fields a segment has, their spellings and defaults.

use serde_json::Value;

use super::fields::Fields;
use super::json;
use crate::canvas::definition::{
    DEFAULT_INPUT, DEFAULT_OUTPUT, EdgeDefinition, SEGMENT_VERSION, SegmentDefinition,
    SegmentParams, StepDefinition, StepPosition, StepUIMetadata,
};
use crate::canvas::validate::ValidationCode;
use crate::canvas::validate::bounds::{MAX_EDGES, MAX_STEPS};
use crate::canvas::validate::path::Path;
use crate::canvas::validate::report::Report;

/// Reads the bytes of a document; `None` if it is no JSON object.
pub(crate) fn document(bytes: &[u8], report: &mut Report) -> Option<SegmentDefinition> {
    json::parse(bytes, report).and_then(|value| segment(value, report))
}

/// Reads a value; `None` if it is no object.
pub(crate) fn segment(value: Value, report: &mut Report) -> Option<SegmentDefinition> {
    let root = Path::Root;
    let mut fields = Fields::of(value, root, report)?;
    let version = fields.string(&["version"], report);
    let segment_id = fields.required(&["segment_id"], report);
    let name = fields.required(&["name"], report);
    let description = fields.string(&["description"], report);
    let entrypoint = fields.string(&["entrypoint"], report);
    let params = fields.value("params");
    let params = params.map(|it| self::params(it, root.key("params"), report));
    fields.demand(&["steps"], report);
    let steps = fields.array("steps", report).unwrap_or_default();
    let steps = each(steps, MAX_STEPS, root.key("steps"), report, step);
    let edges = fields.array("edges", report).unwrap_or_default();
    let edges = each(edges, MAX_EDGES, root.key("edges"), report, edge);
    let metadata = fields.object("metadata", report);
    fields.finish(report);
    Some(SegmentDefinition {
        version: version.unwrap_or_else(|| SEGMENT_VERSION.to_owned()),
        segment_id,
        name,
        description: description.unwrap_or_default(),
        entrypoint,
        params: params.unwrap_or_default(),
        steps,
        edges,
        metadata: metadata.unwrap_or_default(),
    })
}

fn each<T>(
    values: Vec<Value>,
    most: usize,
    path: Path<'_>,
    report: &mut Report,
    read: impl Fn(Value, Path<'_>, &mut Report) -> T,
) -> Vec<T> {
    let count = values.len();
    if count > most {
        let message = format_args!("{count} {path} are more than the {most} a segment may have");
        report.unreadable(ValidationCode::TooLarge, path, message);
        return Vec::new();
    }
    let values = values.into_iter().enumerate();
    values
        .map(|(at, value)| read(value, path.index(at), report))
        .collect()
}

fn params(value: Value, path: Path<'_>, report: &mut Report) -> SegmentParams {
    let default = SegmentParams::default();
    let Some(mut fields) = Fields::of(value, path, report) else {
        return default;
    };
    let params = SegmentParams {
        max_retries: fields
            .count("max_retries", report)
            .unwrap_or(default.max_retries),
        timeout_seconds: fields
            .number("timeout_seconds", report)
            .unwrap_or(default.timeout_seconds),
        parallel_execution: fields
            .boolean("parallel_execution", report)
            .unwrap_or(default.parallel_execution),
        max_iterations: fields
            .count("max_iterations", report)
            .unwrap_or(default.max_iterations),
    };
    fields.finish(report);
    params
}

fn step(value: Value, path: Path<'_>, report: &mut Report) -> StepDefinition {
    let Some(mut fields) = Fields::of(value, path, report) else {
        return StepDefinition::new("", "");
    };
    let step_id = fields.required(&["step_id"], report);
    let step_type = fields.required(&["type", "step_type"], report);
    let name = fields.string(&["name"], report);
    let config = fields.object("config", report);
    let ports = fields.value("ports");
    let (input_ports, output_ports) = self::ports(ports, path.key("ports"), report);
    let position = fields.value("position");
    let position = position.and_then(|it| self::position(it, path.key("position"), report));
    let ui = fields.value("ui");
    let ui = ui.and_then(|it| self::ui(it, path.key("ui"), report));
    fields.finish(report);
    StepDefinition {
        step_id,
        step_type,
        name: name.unwrap_or_default(),
        config: config.unwrap_or_default(),
        input_ports,
        output_ports,
        position,
        ui,
    }
}

fn ports(value: Option<Value>, path: Path<'_>, report: &mut Report) -> (Vec<String>, Vec<String>) {
    let mut fields = value.and_then(|it| Fields::of(it, path, report));
    let mut list = |name, default: &str| {
        let listed = fields.as_mut().and_then(|it| it.strings(name, report));
        listed.unwrap_or_else(|| vec![default.to_owned()])
    };
    let ports = (list("input", DEFAULT_INPUT), list("output", DEFAULT_OUTPUT));
    if let Some(fields) = fields {
        fields.finish(report);
    }
    ports
}

fn position(value: Value, path: Path<'_>, report: &mut Report) -> Option<StepPosition> {
    let mut fields = Fields::of(value, path, report)?;
    fields.demand(&["x"], report);
    fields.demand(&["y"], report);
    let (x, y) = (fields.number("x", report), fields.number("y", report));
    fields.finish(report);
    Some(StepPosition { x: x?, y: y? })
}

fn ui(value: Value, path: Path<'_>, report: &mut Report) -> Option<StepUIMetadata> {
    let mut fields = Fields::of(value, path, report)?;
    let ui = StepUIMetadata {
        color: fields.string(&["color"], report),
        icon: fields.string(&["icon"], report),
        collapsed: fields.boolean("collapsed", report).unwrap_or_default(),
    };
    fields.finish(report);
    Some(ui)
}

fn edge(value: Value, path: Path<'_>, report: &mut Report) -> EdgeDefinition {
    let Some(mut fields) = Fields::of(value, path, report) else {
        return EdgeDefinition::new("", "");
    };
    let from_step = fields.required(&["from", "from_step", "source_step"], report);
    let from_port = fields.string(&["from_port", "source_port"], report);
    let to_step = fields.required(&["to", "to_step", "target_step"], report);
    let to_port = fields.string(&["to_port", "target_port"], report);
    let condition = fields.string(&["condition"], report);
    fields.finish(report);
    EdgeDefinition {
        from_step,
        from_port: from_port.unwrap_or_else(|| DEFAULT_OUTPUT.to_owned()),
        to_step,
        to_port: to_port.unwrap_or_else(|| DEFAULT_INPUT.to_owned()),
        condition: condition.filter(|it| !it.is_empty()),
    }
}
