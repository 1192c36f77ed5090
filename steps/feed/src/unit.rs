//! Unit conversions a spec can name.

use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::number::{self, ArithmeticError};

/// A conversion between units; applied to each value before anything is summed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Conversion {
    /// International miles to kilometres: × 1.609344 (exact by definition, 1959).
    MiToKm,
    /// Kilometres to international miles: ÷ 1.609344.
    KmToMi,
    /// Metric horsepower to kilowatt: × 0.73549875 (75 kp·m/s, exact by definition).
    PsToKw,
    /// Kilowatt to metric horsepower: ÷ 0.73549875.
    KwToPs,
    /// Miles per US gallon to litres per 100 km: 235.214583 ÷ x. Zero has no result.
    #[serde(rename = "mpg_us_to_l_per_100km")]
    MpgUsToLPer100km,
    /// Per cent to a ratio: ÷ 100.
    PercentToRatio,
}

impl Conversion {
    /// Converts one value.
    pub fn apply(self, value: Decimal) -> Result<Decimal, ArithmeticError> {
        match self {
            Self::MiToKm => number::multiply(value, KM_PER_MI),
            Self::KmToMi => number::divide(value, KM_PER_MI),
            Self::PsToKw => number::multiply(value, KW_PER_PS),
            Self::KwToPs => number::divide(value, KW_PER_PS),
            Self::MpgUsToLPer100km => number::divide(L_PER_100KM_MPG, value),
            Self::PercentToRatio => number::multiply(value, PERCENT),
        }
    }
}

/// 1.609344
const KM_PER_MI: Decimal = Decimal::from_parts(1_609_344, 0, 0, false, 6);
/// 0.73549875
const KW_PER_PS: Decimal = Decimal::from_parts(73_549_875, 0, 0, false, 8);
/// 235.214583: litres in a US gallon by kilometres in a mile, × 100, to six places.
const L_PER_100KM_MPG: Decimal = Decimal::from_parts(235_214_583, 0, 0, false, 6);
/// 0.01
const PERCENT: Decimal = Decimal::from_parts(1, 0, 0, false, 2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values() {
        let check = |conversion: Conversion, from: &str, to: &str| {
            assert_eq!(conversion.apply(from.parse().unwrap()).unwrap(), to.parse().unwrap());
        };
        check(Conversion::MiToKm, "749305", "1205889.505920");
        check(Conversion::KmToMi, "1.609344", "1");
        check(Conversion::PsToKw, "100", "73.549875");
        check(Conversion::KwToPs, "73.549875", "100");
        check(Conversion::MpgUsToLPer100km, "18", "13.067476833333333333");
        check(Conversion::PercentToRatio, "2.5", "0.025");
        assert_eq!(Conversion::MpgUsToLPer100km.apply(Decimal::ZERO), Err(ArithmeticError::DivisionByZero));
    }
}
