//! The cases of `tests/conformance`, against the interpreter that reads the same rules.

use llmteam_tests::conformance::{CaseFile, OracleEngine, Verdict, judge, load_dir};
use std::path::Path;

fn files() -> Vec<CaseFile> {
    load_dir(&Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance"))
        .expect("the cases can be read")
}

/// A wrong expectation would teach the engine a wrong rule: each case also holds for the interpreter.
#[test]
fn the_interpreter_agrees_with_every_case_it_covers() {
    let mut wrong = Vec::new();
    let mut held = 0;
    for file in files() {
        for case in &file.cases {
            match judge(&OracleEngine, &file, case) {
                Verdict::Passed => held += 1,
                Verdict::NotCovered(_) => {}
                Verdict::Failed(why) => wrong.push(format!(
                    "{}/{}\n  {}",
                    file.name(),
                    case.case,
                    why.join("\n  ")
                )),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(held > 40, "only {held} cases are covered");
}
