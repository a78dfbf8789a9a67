//! `llmteam mine variants`

use llmteam::roles::mining::{EventLog, Variant, Variants};
use serde_json::json;

use super::{percent, source};
use crate::args::Source;
use crate::error::CliError;
use crate::{exit, output};

/// Lists the ways that runs took.
pub(super) async fn perform(limit: usize, source: &Source, json: bool) -> Result<u8, CliError> {
    let log: EventLog = source::read_one(source).await?.log;
    let variants = log.variants();
    let mut ways: Vec<&Variant> = variants.iter().collect();
    let all = ways.len();
    // Equally common ones stay in the order of their first case.
    ways.sort_by_key(|it| std::cmp::Reverse(it.cases));
    ways.truncate(limit);
    if output::wants_json(json) {
        let ways = ways.iter().map(|it| {
            json!({
                "cases": it.cases,
                "share": variants.share(it),
                "activities": names(&variants, it),
            })
        });
        let shown = json!({
            "cases": variants.cases(),
            "variants": all,
            "ways": ways.collect::<Vec<_>>(),
        });
        output::json(&shown, true)?;
        return Ok(exit::DONE);
    }
    let rows: Vec<_> = ways
        .iter()
        .map(|it| {
            [
                it.cases.to_string(),
                percent(variants.share(it)),
                names(&variants, it).join(" "),
            ]
        })
        .collect();
    output::table(["RUNS", "SHARE", "STEPS"], &rows)?;
    if all > limit {
        eprintln!("{} more; `--limit` shows them", all - limit);
    }
    Ok(exit::DONE)
}

fn names<'v>(variants: &'v Variants, variant: &Variant) -> Vec<&'v str> {
    variant
        .activities
        .iter()
        .map(|it| variants.name(*it))
        .collect()
}
