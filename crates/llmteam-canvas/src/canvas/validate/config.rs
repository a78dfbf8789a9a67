//! Step types and step configs against the catalog.

use super::code::ValidationCode;
use super::path::{Listed, Path, Quoted};
use super::report::Report;
use crate::canvas::catalog::StepCatalog;
use crate::canvas::definition::SegmentDefinition;

pub(super) fn check(segment: &SegmentDefinition, catalog: &StepCatalog, report: &mut Report) {
    let known = catalog.list_type_ids();
    let known: Vec<_> = known.iter().map(String::as_str).collect();
    let steps = Path::Root.key("steps");
    for (at, step) in segment.steps.iter().enumerate() {
        let path = steps.index(at);
        let places = [path.key("type"), path.key("config")];
        if !catalog.check_config(&step.step_type, &step.config, places, report) {
            let step_type = Quoted(&step.step_type);
            report.add_with(
                ValidationCode::UnknownType,
                path.key("type"),
                format_args!("the catalog has no step type {step_type}"),
                format_args!("known types are {}", Listed(&known)),
            );
        } else if catalog.get_handler(&step.step_type).is_none() {
            let step_type = Quoted(&step.step_type);
            report.add_with(
                ValidationCode::NoHandler,
                path.key("type"),
                format_args!("nothing runs steps of type {step_type}"),
                format_args!("register the type together with its handler"),
            );
        }
    }
}
