//! Distance → probability.

use facerecog_engine::model::Logistic;

/// How the map is found, in words.
pub(crate) const METHOD: &str =
    "logistic regression on distance by maximum likelihood, both kinds of pairs weighted alike, Platt's targets";

/// Steps of Newton's method; it takes about ten.
const MOST_STEPS: usize = 200;

/// Fits P(same) = 1 / (1 + exp(slope · (distance − midpoint))) to pairs of one person and of different people, given by
/// their number in each bin of distance. Each kind has half the weight, however many there are, so that the
/// probability is that of a pair of which both were as likely beforehand. The targets are J. Platt's (1999), a little
/// off 0 and 1, so that there is an answer for people who are perfectly told apart.
pub(crate) fn fit(same: &[u64], different: &[u64], bin: f64) -> Logistic {
    let (same_total, different_total) = (same.iter().sum::<u64>() as f64, different.iter().sum::<u64>() as f64);
    let kinds = [
        (same, 0.5 / same_total, (same_total + 1.0) / (same_total + 2.0)),
        (different, 0.5 / different_total, 1.0 / (different_total + 2.0)),
    ];
    // log-odds = a + b · distance.
    let (mut a, mut b) = (0.0, -1.0);
    let loss = |a: f64, b: f64| -> f64 {
        let of_bin = |(index, weight, target): (usize, f64, f64)| {
            let odds = a + b * (index as f64 + 0.5) * bin;
            // log(1 + e^odds) − target · odds, without overflow.
            weight * (odds.max(0.0) + (-odds.abs()).exp().ln_1p() - target * odds)
        };
        bins(&kinds).map(of_bin).sum()
    };
    let mut last = loss(a, b);
    for _ in 0..MOST_STEPS {
        let (mut gradient, mut hessian) = ([0.0; 2], [0.0; 3]);
        for (index, weight, target) in bins(&kinds) {
            let distance = (index as f64 + 0.5) * bin;
            let probability = 1.0 / (1.0 + (-(a + b * distance)).exp());
            let (error, curvature) = (weight * (probability - target), weight * probability * (1.0 - probability));
            gradient[0] += error;
            gradient[1] += error * distance;
            hessian[0] += curvature;
            hessian[1] += curvature * distance;
            hessian[2] += curvature * distance * distance;
        }
        let determinant = hessian[0] * hessian[2] - hessian[1] * hessian[1] + 1e-300;
        let step_a = (hessian[2] * gradient[0] - hessian[1] * gradient[1]) / determinant;
        let step_b = (hessian[0] * gradient[1] - hessian[1] * gradient[0]) / determinant;
        // Newton's step may be too long far from the answer.
        let mut share = 1.0;
        let mut next = loss(a - step_a, b - step_b);
        while (next > last || next.is_nan()) && share > 1e-10 {
            share /= 2.0;
            next = loss(a - share * step_a, b - share * step_b);
        }
        (a, b) = (a - share * step_a, b - share * step_b);
        if last - next < 1e-14 {
            break;
        }
        last = next;
    }
    Logistic { midpoint: (-a / b) as f32, slope: -b as f32 }
}

/// Every bin that holds pairs, with their weight and target.
fn bins<'a>(kinds: &'a [(&'a [u64], f64, f64); 2]) -> impl Iterator<Item = (usize, f64, f64)> + 'a {
    kinds.iter().flat_map(|&(counts, weight, target)| {
        let held = counts.iter().enumerate().filter(|(_, count)| **count > 0);
        held.map(move |(index, &count)| (index, count as f64 * weight, target))
    })
}
