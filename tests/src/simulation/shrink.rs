//! The shortest scenario that still fails: choices are taken away, then made
//! simpler, for as long as something is wrong.

/// Attempts at most; each plays a scenario.
const ATTEMPTS_MAX: u32 = 4_000;

/// Shortens a list of choices for which `fails` holds.
pub(super) fn shrink(mut choices: Vec<u32>, fails: &mut dyn FnMut(&[u32]) -> bool) -> Vec<u32> {
    let mut attempts = 0;
    let mut try_out = |candidate: &[u32]| {
        attempts += 1;
        (attempts <= ATTEMPTS_MAX).then(|| fails(candidate))
    };
    loop {
        let before = choices.clone();
        let mut size = choices.len() / 2;
        while size > 0 {
            let mut at = 0;
            while at < choices.len() {
                let mut candidate = choices.clone();
                candidate.drain(at..(at + size).min(candidate.len()));
                match try_out(&candidate) {
                    Some(true) => choices = candidate,
                    Some(false) => at += size,
                    None => return choices,
                }
            }
            size /= 2;
        }
        for at in 0..choices.len() {
            for simpler in [0, choices[at] / 2, choices[at].saturating_sub(1)] {
                if simpler >= choices[at] {
                    continue;
                }
                let mut candidate = choices.clone();
                candidate[at] = simpler;
                match try_out(&candidate) {
                    Some(true) => choices = candidate,
                    Some(false) => {}
                    None => return choices,
                }
            }
        }
        if choices == before {
            return choices;
        }
    }
}
