//! Logs L and U on the nets N1 to N4: every figure to 1e-9.

mod alignments;
mod figures;
mod properties;

use crate::roles::mining::{Variants, fixtures, get_variants};

fn l() -> Variants {
    get_variants(&fixtures::l())
}

#[track_caller]
fn near(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-9, "{found} is not {expected}");
}
