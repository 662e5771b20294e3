//! The cost of a method, in evaluations of the network.

use crate::runge_kutta::Tableau;
use std::fmt;

/// The evaluations of the network that a number of steps costs, without guidance.
///
/// ```
/// use pyroclast_solvers::entry::Cost;
///
/// let heun = Cost::SparedAtTheEnd(2);
/// assert_eq!(heun.evaluations(10, true), 19);
/// assert_eq!(heun.steps_for(20, true), 10);
/// assert_eq!(heun.to_string(), "2, last step 1");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cost {
    /// This many for every step.
    PerStep(usize),
    /// This many for every step, and one more for the first: the last stage of each step is the
    /// first stage of the next.
    FirstSameAsLast(usize),
    /// This many for every step, except that a step to σ = 0 costs one.
    SparedAtTheEnd(usize),
    /// One per step, but `each` for the steps of a warm-up; a step to σ = 0 always costs one.
    WarmUp {
        /// The number of steps of the warm-up.
        steps: usize,
        /// The evaluations of each of them.
        each: usize,
    },
}

impl Cost {
    /// The cost of a Runge–Kutta method.
    pub(crate) const fn of(tableau: &Tableau) -> Self {
        if tableau.first_same_as_last {
            Self::FirstSameAsLast(tableau.b.len() - 1)
        } else {
            Self::PerStep(tableau.b.len())
        }
    }

    /// The evaluations of `steps` steps; `ends_clean` says whether the last one goes to σ = 0.
    pub fn evaluations(self, steps: usize, ends_clean: bool) -> usize {
        let clean = usize::from(ends_clean).min(steps);
        match self {
            Self::PerStep(each) => each * steps,
            Self::FirstSameAsLast(each) => each * steps + usize::from(steps > 0),
            Self::SparedAtTheEnd(each) => each * (steps - clean) + clean,
            Self::WarmUp { steps: first, each } => {
                let first = first.min(steps - clean);
                each * first + steps - first
            }
        }
    }

    /// The largest number of steps within a budget of evaluations, but at least one.
    pub fn steps_for(self, evaluations: usize, ends_clean: bool) -> usize {
        let is_paid = |steps: &usize| self.evaluations(*steps, ends_clean) <= evaluations;
        (1..=evaluations).take_while(is_paid).last().unwrap_or(1)
    }
}

/// The evaluations per step, in a few words.
impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PerStep(each) => write!(f, "{each}"),
            Self::FirstSameAsLast(each) => write!(f, "{each}, first step {}", each + 1),
            Self::SparedAtTheEnd(each) => write!(f, "{each}, last step 1"),
            Self::WarmUp { steps, each } => write!(f, "1, first {steps} {each}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_gives_the_most_steps_that_it_pays_for() {
        let costs = [
            Cost::PerStep(1),
            Cost::PerStep(4),
            Cost::FirstSameAsLast(6),
            Cost::SparedAtTheEnd(2),
            Cost::WarmUp { steps: 3, each: 4 },
        ];
        for cost in costs {
            for ends_clean in [true, false] {
                for budget in 1..40 {
                    let steps = cost.steps_for(budget, ends_clean);
                    assert!(steps == 1 || cost.evaluations(steps, ends_clean) <= budget);
                    assert!(cost.evaluations(steps + 1, ends_clean) > budget);
                }
            }
        }
    }
}
