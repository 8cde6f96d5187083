//! When two embeddings are of the same person.

use serde::{Deserialize, Serialize};

use super::ErrorRates;

/// Most false matches a comparison of different people may have without another word, for however few known photos.
pub const DEFAULT_COMPARISON_RATE: f64 = 1e-4;

/// Most false matches a search for somebody unknown may have without another word, for however many known photos.
pub const DEFAULT_SEARCH_RATE: f64 = 1e-2;

/// A pack's threshold, and how likely a distance means the same person.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "DecisionEntry")]
pub struct Decision {
    /// The pack's own threshold, whatever the number of known photos: two faces are of the same person when the
    /// distance of their embeddings is below it.
    pub threshold: f32,
    /// The logistic map from distance to probability.
    pub probability: Logistic,
    /// What was measured of the pack; without it there is only the threshold above.
    pub error_rates: Option<ErrorRates>,
}

/// The decision as the manifest has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DecisionEntry {
    threshold: f32,
    probability: Option<Logistic>,
    error_rates: Option<ErrorRates>,
}

impl TryFrom<DecisionEntry> for Decision {
    type Error = String;

    /// The measured map from distance to probability stands before one that is given by hand.
    fn try_from(entry: DecisionEntry) -> Result<Self, String> {
        if let Some(rates) = &entry.error_rates {
            rates.check()?;
        }
        let measured = entry.error_rates.as_ref().map(|rates| rates.probability);
        let probability = measured.or(entry.probability).ok_or("decision has neither probability nor error_rates")?;
        Ok(Self { threshold: entry.threshold, probability, error_rates: entry.error_rates })
    }
}

/// How sure a match has to be.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum DecisionRule {
    /// At most [`DEFAULT_COMPARISON_RATE`] false matches a comparison and [`DEFAULT_SEARCH_RATE`] a search, for a pack
    /// that was measured; the pack's own threshold for one that was not, and for more known photos than the
    /// measurement reaches, the strictest threshold it has.
    #[default]
    Calibrated,
    /// The pack's own threshold, whatever the number of known photos.
    Pack,
    /// Distances below this.
    Threshold(f32),
    /// At most this share of searches for somebody unknown end with a name.
    SearchRate(f64),
    /// Both of a threshold and a share of searches: the stricter of them holds.
    Stricter(f32, f64),
}

/// The threshold of a search, and what it promises.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SearchDecision {
    /// Distances below it are matches.
    pub threshold: f32,
    /// Bound on the share of searches for somebody unknown that end with a name; none for a pack that was not measured,
    /// or for a threshold more lenient than what was.
    pub false_match_rate: Option<f64>,
}

/// Why a rule cannot be followed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum DecisionError {
    /// A rate asks for a measurement.
    #[error(
        "pack {pack} has no measured error rates; measure them with: recognizer eval calibrate, or give a threshold"
    )]
    NotMeasured {
        /// Name of the pack.
        pack: String,
    },
    /// A rate asks for more than was measured.
    #[error(
        "a false match rate of {search_rate:e} with {rows} known photos takes {comparison_rate:e} a comparison; \
         pack {pack} was measured down to {least_rate:e}; ask for at least {:e}",
        .least_rate * *.rows as f64
    )]
    BeyondMeasurement {
        /// Name of the pack.
        pack: String,
        /// What was asked for.
        search_rate: f64,
        /// Known photos.
        rows: usize,
        /// What each of them may contribute.
        comparison_rate: f64,
        /// The least that was measured or extrapolated.
        least_rate: f64,
    },
}

impl Decision {
    /// Whether `distance` means the same person by the pack's own threshold.
    pub fn same(&self, distance: f32) -> bool {
        distance < self.threshold
    }

    /// The threshold for a search among `rows` known photos; 1 when two photos are compared. `pack` names the pack in
    /// errors.
    ///
    /// Somebody unknown gets a name when one of the comparisons is a false match. The chance of that is at most the sum
    /// of the chances of all, whatever they have to do with each other: each comparison may have the `rows`th part of
    /// what a search may. With FMR for a comparison, 1 − (1 − FMR)^rows is stated for the search, which is below that
    /// sum.
    ///
    /// # Errors
    /// [`DecisionError`], only for rules with a share of searches.
    pub fn for_search(&self, rule: DecisionRule, rows: usize, pack: &str) -> Result<SearchDecision, DecisionError> {
        let rows = rows.max(1);
        let threshold = match (rule, &self.error_rates) {
            (DecisionRule::Threshold(threshold), _) => threshold,
            (DecisionRule::Pack, _) | (DecisionRule::Calibrated, None) => self.threshold,
            (DecisionRule::Calibrated, Some(rates)) => {
                let rate = DEFAULT_COMPARISON_RATE.min(DEFAULT_SEARCH_RATE / rows as f64).max(rates.least_rate());
                rates.threshold(rate).unwrap_or(self.threshold)
            }
            (DecisionRule::SearchRate(rate), _) => self.threshold_of_search(rate, rows, pack)?,
            (DecisionRule::Stricter(threshold, rate), _) => threshold.min(self.threshold_of_search(rate, rows, pack)?),
        };
        let rate = self.error_rates.as_ref().and_then(|rates| rates.false_match_rate(threshold));
        Ok(SearchDecision { threshold, false_match_rate: rate.map(|rate| of_search(rate, rows)) })
    }

    fn threshold_of_search(&self, search_rate: f64, rows: usize, pack: &str) -> Result<f32, DecisionError> {
        let Some(rates) = &self.error_rates else { return Err(DecisionError::NotMeasured { pack: pack.to_owned() }) };
        let comparison_rate = search_rate / rows as f64;
        rates.threshold(comparison_rate).ok_or_else(|| DecisionError::BeyondMeasurement {
            pack: pack.to_owned(),
            search_rate,
            rows,
            comparison_rate,
            least_rate: rates.least_rate(),
        })
    }
}

/// 1 − (1 − rate)^rows, exact for small rates too.
fn of_search(rate: f64, rows: usize) -> f64 {
    -((-rate).ln_1p() * rows as f64).exp_m1()
}

/// Probability as a logistic function of distance, fitted to labelled pairs of which half are of
/// the same person.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Logistic {
    /// The distance at which both are equally likely.
    pub midpoint: f32,
    /// How fast the log-odds fall with distance, per unit.
    pub slope: f32,
}

impl Logistic {
    /// Probability that two faces at `distance` are of the same person, 0…1.
    pub fn probability(&self, distance: f32) -> f32 {
        1.0 / (1.0 + ((distance - self.midpoint) * self.slope).exp())
    }
}

#[cfg(test)]
mod tests {
    use super::super::error_rates::tests::rates;
    use super::*;

    fn decision(error_rates: Option<ErrorRates>) -> Decision {
        Decision { threshold: 0.58, probability: Logistic { midpoint: 0.6, slope: 40.0 }, error_rates }
    }

    fn threshold(rule: DecisionRule, rows: usize) -> f32 {
        decision(Some(rates())).for_search(rule, rows, "p").unwrap().threshold
    }

    #[test]
    fn each_comparison_gets_its_part_of_a_search() {
        // 1e-2 of a search among 10 are 1e-3 a comparison, among 100 1e-4.
        assert_eq!(threshold(DecisionRule::SearchRate(1e-2), 1), 0.6);
        assert_eq!(threshold(DecisionRule::SearchRate(1e-2), 10), 0.5);
        assert_eq!(threshold(DecisionRule::SearchRate(1e-2), 100), 0.45);
        assert_eq!(threshold(DecisionRule::Stricter(0.55, 1e-2), 10), 0.5);
        assert_eq!(threshold(DecisionRule::Stricter(0.4, 1e-2), 10), 0.4);
        let error = decision(Some(rates())).for_search(DecisionRule::SearchRate(1e-2), 1000, "p").unwrap_err();
        let message = error.to_string();
        assert!(message.contains("1e-5 a comparison") && message.contains("at least 1e-1"), "{message}");
    }

    #[test]
    fn without_another_word_both_rates_hold() {
        assert_eq!(threshold(DecisionRule::Calibrated, 1), 0.45);
        assert_eq!(threshold(DecisionRule::Calibrated, 100), 0.45);
        // More would take a stricter threshold than was measured: what is stated grows instead.
        let decision = decision(Some(rates())).for_search(DecisionRule::Calibrated, 1000, "p").unwrap();
        assert_eq!(decision.threshold, 0.45);
        assert!(decision.false_match_rate.unwrap() > 0.095);
    }

    #[test]
    fn what_is_stated_is_the_chance_of_one_match_among_all() {
        let stated = |rows| {
            decision(Some(rates())).for_search(DecisionRule::Threshold(0.5), rows, "p").unwrap().false_match_rate
        };
        assert!((stated(1).unwrap() - 1e-3).abs() < 1e-9);
        assert!((stated(100).unwrap() - (1.0 - 0.999f64.powi(100))).abs() < 1e-9);
        // More lenient than every measured point.
        let lenient = decision(Some(rates())).for_search(DecisionRule::Threshold(0.7), 5, "p").unwrap();
        assert_eq!(lenient.false_match_rate, None);
    }

    #[test]
    fn a_pack_that_was_not_measured_has_its_threshold() {
        for rule in [DecisionRule::Calibrated, DecisionRule::Pack] {
            let found = decision(None).for_search(rule, 7, "p").unwrap();
            assert_eq!(found, SearchDecision { threshold: 0.58, false_match_rate: None });
        }
        let error = decision(None).for_search(DecisionRule::SearchRate(0.1), 7, "p").unwrap_err();
        assert_eq!(error, DecisionError::NotMeasured { pack: "p".into() });
    }

    #[test]
    fn the_measured_map_stands_before_one_by_hand() {
        let rates =
            toml::to_string(&rates()).unwrap().replace("[[operating_points]]", "[[error_rates.operating_points]]");
        let rates = rates.replace("[probability]", "[error_rates.probability]");
        let text = format!("threshold = 0.5\nprobability = {{ midpoint = 0.1, slope = 1 }}\n[error_rates]\n{rates}");
        let decision: Decision = toml::from_str(&text).unwrap();
        assert_eq!(decision.probability.midpoint, 0.6);
        assert_eq!(decision.error_rates, Some(super::super::error_rates::tests::rates()));
        assert!(toml::from_str::<Decision>("threshold = 0.5").unwrap_err().to_string().contains("neither probability"));
    }
}
