//! Writing numbers the way people write them: `300`, not `300.0`.

use serde::Serializer;

/// Below this every whole binary64 is exactly one integer.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Serialises a whole number without a fraction.
pub(super) fn serialize<S: Serializer>(number: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    let negative_zero = *number == 0.0 && number.is_sign_negative();
    if number.fract() == 0.0 && number.abs() < EXACT && !negative_zero {
        serializer.serialize_i64(*number as i64)
    } else {
        serializer.serialize_f64(*number)
    }
}
