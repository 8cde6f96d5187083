//! Several photos of one person → one embedding.

/// The template of a person, for [`distance`](super::distance): the mean of the embeddings, made as long as they are on
/// average. What photos have of light and pose differs from one to the next, and goes out of a mean; the length says how far
/// apart they were, and would make somebody with many different photos near to everybody. Nothing of no embeddings.
///
/// # Panics
/// When the embeddings differ in length.
pub fn template<'a>(embeddings: impl IntoIterator<Item = &'a [f32]>) -> Vec<f32> {
    let (mut sums, mut lengths, mut count) = (Vec::<f64>::new(), 0.0, 0_u32);
    for embedding in embeddings {
        if sums.is_empty() {
            sums.resize(embedding.len(), 0.0);
        }
        assert_eq!(embedding.len(), sums.len(), "embeddings of one embedder have the same length");
        sums.iter_mut().zip(embedding).for_each(|(sum, number)| *sum += f64::from(*number));
        lengths += length(embedding.iter().map(|number| f64::from(*number)));
        count += 1;
    }
    let of_sum = length(sums.iter().copied());
    let factor = if of_sum > 0.0 { lengths / f64::from(count) / of_sum } else { 0.0 };
    sums.into_iter().map(|sum| (sum * factor) as f32).collect()
}

fn length(numbers: impl Iterator<Item = f64>) -> f64 {
    numbers.map(|number| number * number).sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_embedding_is_its_own_template() {
        assert_eq!(template([&[0.6, -0.8][..]]), [0.6, -0.8]);
        assert_eq!(template([&[0.0, 0.0][..]]), [0.0, 0.0]);
        assert!(template([]).is_empty());
    }

    #[test]
    fn a_template_has_the_mean_direction_and_the_mean_length() {
        // Both as long as the root of 50, and their mean of [4, 4] as that of 32.
        assert_eq!(template([&[7.0, 1.0][..], &[1.0, 7.0]]), [5.0, 5.0]);
        assert_eq!(template([&[1.0, 0.0][..], &[3.0, 0.0]]), [2.0, 0.0]);
        // The means of these have no direction.
        assert_eq!(template([&[1.0, 0.0][..], &[-1.0, 0.0]]), [0.0, 0.0]);
    }
}
