use proptest::prelude::*;

use super::*;

fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

fn sum(parts: &[Decimal]) -> Sum {
    let mut sum = Sum::default();
    for part in parts {
        sum.add(*part).unwrap();
    }
    sum
}

#[test]
fn ties_follow_the_mode() {
    let check = |text: &str, mode, want: &str| {
        assert_eq!(round(decimal(text), 2, mode).unwrap().to_string(), want, "{text} {mode:?}");
        assert_eq!(sum(&[decimal(text)]).rounded(2, mode).unwrap().to_string(), want, "{text} {mode:?}");
    };
    check("0.125", RoundingMode::HalfEven, "0.12");
    check("0.135", RoundingMode::HalfEven, "0.14");
    check("-0.125", RoundingMode::HalfEven, "-0.12");
    check("0.125", RoundingMode::HalfUp, "0.13");
    check("-0.125", RoundingMode::HalfUp, "-0.13");
    check("0.121", RoundingMode::Up, "0.13");
    check("-0.121", RoundingMode::Up, "-0.13");
    check("0.129", RoundingMode::Down, "0.12");
    check("7", RoundingMode::HalfEven, "7.00");
}

#[test]
fn a_mean_is_rounded_once() {
    // Rounding 1/3 first and then the mean would give 0.3333 either way; here the
    // quotient's 28th digit would decide a tie that does not exist.
    let total = sum(&[decimal("1"), decimal("0.00005")]);
    assert_eq!(total.mean(2, 4, RoundingMode::HalfEven).unwrap().to_string(), "0.5000");
    let tie = sum(&[decimal("0.00030"), decimal("0.00000")]);
    assert_eq!(tie.mean(2, 4, RoundingMode::HalfEven).unwrap().to_string(), "0.0002");
}

#[test]
fn lost_digits_are_an_error() {
    let large = decimal("9999999999999999999999999999");
    assert_eq!(add(large, decimal("0.1")), Err(ArithmeticError::Overflow));
    assert_eq!(multiply(large, decimal("0.11")), Err(ArithmeticError::Overflow));
    assert_eq!(divide(large, Decimal::ZERO), Err(ArithmeticError::DivisionByZero));
    assert_eq!(round(large, 4, RoundingMode::HalfEven), Err(ArithmeticError::Overflow));
    let mut sum = Sum::default();
    let smallest = decimal("0.0000000000000000000000000001");
    sum.add(smallest).unwrap();
    assert_eq!(sum.add(large), Err(ArithmeticError::Overflow));
}

#[test]
fn negative_zero_is_zero() {
    let mut sum = Sum::default();
    sum.add(decimal("-0.00")).unwrap();
    assert_eq!(sum.value().unwrap().to_string(), "0.00");
    assert_eq!(sum.rounded(2, RoundingMode::HalfEven).unwrap().to_string(), "0.00");
    let small = sum_of_one("-0.001").rounded(2, RoundingMode::HalfEven).unwrap();
    assert_eq!(small.to_string(), "0.00");
}

fn sum_of_one(text: &str) -> Sum {
    sum(&[decimal(text)])
}

proptest! {
    #[test]
    fn sums_do_not_depend_on_the_order(parts in proptest::collection::vec((any::<i64>(), 0_u32..6), 0..60), by in 0_usize..60) {
        let parts: Vec<Decimal> = parts.iter().map(|(m, s)| Decimal::new(*m, *s)).collect();
        let mut turned = parts.clone();
        if !turned.is_empty() {
            let by = by % turned.len();
            turned.rotate_left(by);
            turned.reverse();
        }
        prop_assert_eq!(sum(&parts).value(), sum(&turned).value());
        let (left, right) = parts.split_at(parts.len() / 2);
        let mut merged = sum(left);
        merged.merge(sum(right)).unwrap();
        prop_assert_eq!(merged.value(), sum(&parts).value());
    }

    #[test]
    fn rounding_twice_changes_nothing(mantissa in any::<i64>(), scale in 0_u32..12, places in 0_u32..8) {
        let number = Decimal::new(mantissa, scale);
        for mode in [RoundingMode::HalfEven, RoundingMode::HalfUp, RoundingMode::Up, RoundingMode::Down] {
            let once = round(number, places, mode).unwrap();
            prop_assert_eq!(round(once, places, mode).unwrap(), once);
            prop_assert_eq!(sum(&[number]).rounded(places, mode).unwrap(), once);
        }
    }
}
