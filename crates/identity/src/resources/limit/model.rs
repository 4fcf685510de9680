//! How limits of domains and of the projects in them go together.

use serde_json::{Value, json};

/// The enforcement model, from the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LimitModel {
    /// Every limit stands for itself.
    #[default]
    Flat,
    /// A project has no more than its domain, and a domain no less than its projects;
    /// there are no projects below projects.
    StrictTwoLevel,
}

impl LimitModel {
    pub const ALL: [Self; 2] = [Self::Flat, Self::StrictTwoLevel];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Flat => "flat",
            Self::StrictTwoLevel => "strict_two_level",
        }
    }

    /// The model of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|model| model.name() == name)
    }

    /// As `/v3/limits/model` shows it.
    pub(super) fn view(self) -> Value {
        let description = match self {
            Self::Flat => {
                "Limit enforcement and validation does not take project hierarchy into consideration."
            }
            Self::StrictTwoLevel => "This model requires project hierarchy never exceeds a depth of two",
        };
        json!({"name": self.name(), "description": description})
    }

    /// Whether a limit may be `value` where those above are `above` (of the domain, or what
    /// is registered for it) and those below are `below`. -1 is more than any number.
    pub(super) fn fits(self, value: i64, above: Option<i64>, below: &[i64]) -> bool {
        let size = |limit: i64| if limit < 0 { i64::MAX } else { limit };
        self == Self::Flat
            || above.is_none_or(|above| size(value) <= size(above))
                && below.iter().all(|below| size(*below) <= size(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_has_no_more_than_its_domain() {
        let cases = [
            (5, None, &[][..], true),
            (5, Some(5), &[], true),
            (6, Some(5), &[], false),
            (-1, Some(5), &[], false),
            (6, Some(-1), &[], true),
            (5, None, &[5, 4], true),
            (5, None, &[6], false),
            (5, None, &[-1], false),
            (-1, None, &[-1, 7], true),
        ];
        for (value, above, below, fits) in cases {
            assert_eq!(
                LimitModel::StrictTwoLevel.fits(value, above, below),
                fits,
                "{value} {above:?} {below:?}"
            );
            assert!(LimitModel::Flat.fits(value, above, below));
        }
        assert_eq!(LimitModel::parse("strict_two_level"), Some(LimitModel::StrictTwoLevel));
        assert_eq!(LimitModel::parse("deep"), None);
    }
}
