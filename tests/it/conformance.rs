//! The cases of `tests/conformance`, against the runner and the interpreter that reads the same rules.

use llmteam_tests::conformance::{
    CaseFile, Engine, OracleEngine, RunnerEngine, Verdict, judge, load_dir,
};
use std::path::Path;

fn files() -> Vec<CaseFile> {
    load_dir(&Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance"))
        .expect("the cases can be read")
}

/// How many cases an engine covers; every difference fails the test.
fn held_by(engine: &dyn Engine) -> [usize; 2] {
    let mut wrong = Vec::new();
    let [mut held, mut not_covered] = [0, 0];
    for file in files() {
        for case in &file.cases {
            match judge(engine, &file, case) {
                Verdict::Passed => held += 1,
                Verdict::NotCovered(_) => not_covered += 1,
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
    [held, not_covered]
}

#[test]
fn the_runner_holds_every_case_in_every_variant() {
    let [held, not_covered] = held_by(&RunnerEngine);
    assert!(held > 200, "only {held} cases were found");
    assert_eq!(not_covered, 0);
}

/// A wrong expectation would teach the engine a wrong rule: each case also holds for the interpreter.
#[test]
fn the_interpreter_agrees_with_every_case_it_covers() {
    let [held, _] = held_by(&OracleEngine);
    assert!(held > 40, "only {held} cases are covered");
}
