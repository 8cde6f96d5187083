//! The network that turns an aligned crop into an embedding.

use super::Embedding;
use crate::align::{ShapePredictor, SimilarityTransform, align};
use crate::detect::Landmarks;
use crate::model::{EmbedderEntry, ModelError, Network, Pack};
use crate::photo::{Photo, Reduction, View, dark};
use crate::tensor::planes;
use crate::{BoundingBox, Point};

/// An embedder: its network, and how its input is made.
#[derive(Debug)]
pub struct Embedder {
    network: Network,
    shape_predictor: Option<ShapePredictor>,
    entry: EmbedderEntry,
}

impl Embedder {
    /// Loads the embedder of `pack` and makes its plan.
    pub fn new(pack: &Pack) -> Result<Self, ModelError> {
        let embedder = Self {
            network: pack.embedder_network()?,
            shape_predictor: pack.shape_predictor()?,
            entry: pack.entry().embedder.clone(),
        };
        // A first run finds a network that does not fit its manifest entry before a photo does.
        let side = embedder.entry.input_side;
        embedder.embed_chip(&Photo::from_rgb(side, side, vec![0; (side * side * 3) as usize]))?;
        Ok(embedder)
    }

    /// Side of the square input, in pixels.
    pub fn input_side(&self) -> u32 {
        self.entry.input_side
    }

    /// The aligned crop of the face with these landmarks, the detector's.
    pub fn chip<'a>(&self, photo: impl Into<View<'a>>, landmarks: &Landmarks) -> Photo {
        let view = photo.into();
        let EmbedderEntry { template, fit, input_side, .. } = &self.entry;
        if let (Some(predictor), Some(own)) = (&self.shape_predictor, &self.entry.landmarks) {
            let transform = fit.crop_to_photo(template, landmarks);
            // Its trees have seen upright faces alone.
            if is_upright(&transform) {
                let found = predictor.find(view, &upright(&own.region, &transform));
                return align(view, &both(landmarks, &found), &both(template, &own.template), *fit, *input_side);
            }
        }
        align(view, landmarks, template, *fit, *input_side)
    }

    /// The most that a photo may be reduced so that the crop of the face with these landmarks is not made of fewer
    /// pixels than it has itself. Up to there alignment halves the whole photo as well, so that the crop stays the same.
    pub fn reduction(&self, landmarks: &Landmarks) -> Reduction {
        let shrunk = self.entry.fit.crop_to_photo(&self.entry.template, landmarks).scale();
        Reduction::most(|reduction| shrunk > reduction.divisor() as f32)
    }

    /// The embedding of the middle of a photo, unaligned: the centred square of half the shorter side.
    pub fn embed_center_crop(&self, photo: &Photo) -> Result<Embedding, ModelError> {
        let side = (photo.width().min(photo.height()) as f32 / 2.0).max(1.0);
        let (x, y) = ((photo.width() as f32 - side) / 2.0, (photo.height() as f32 - side) / 2.0);
        let region = BoundingBox::new(x, y, side, side);
        self.embed_chip(&photo.resize_region(region, self.entry.input_side, self.entry.input_side))
    }

    /// The embedding of an aligned crop; one of another size is resized first, and a dark one is made lighter.
    pub fn embed_chip(&self, chip: &Photo) -> Result<Embedding, ModelError> {
        let side = self.entry.input_side;
        let resized;
        let chip = if (chip.width(), chip.height()) == (side, side) {
            chip
        } else {
            resized = chip.resize(side, side);
            &resized
        };
        let lightened = dark::lightened(chip);
        let chip = lightened.as_ref().unwrap_or(chip);
        let side = side as usize;
        let mut input = planes(chip, self.entry.channels.into(), self.entry.mean, self.entry.scale);
        let mut values = self.run(&input)?;
        if self.entry.flip {
            input.chunks_exact_mut(side).for_each(<[f32]>::reverse);
            for (value, mirrored) in values.iter_mut().zip(self.run(&input)?) {
                *value = (*value + mirrored) / 2.0;
            }
        }
        Ok(Embedding::new(values, self.entry.metric))
    }

    /// What the network says of its input as it takes it.
    fn run(&self, input: &[f32]) -> Result<Vec<f32>, ModelError> {
        let side = self.entry.input_side as usize;
        let output = self.network.run(side, side, input)?.swap_remove(0);
        if output.values.len() != self.entry.dims {
            return Err(self.network.wrong_shape(&output, format!("[1, {}]", self.entry.dims)));
        }
        Ok(output.values)
    }
}

/// Whether the face is turned by less than 45°.
fn is_upright(crop_to_photo: &SimilarityTransform) -> bool {
    let right = crop_to_photo.turn(Point::new(1.0, 0.0));
    right.x > right.y.abs()
}

/// The box that has the middle and the size of `region` after `transform`.
fn upright(region: &BoundingBox, transform: &SimilarityTransform) -> BoundingBox {
    let (center, scale) = (transform.apply(region.center()), transform.scale());
    let (width, height) = (region.width * scale, region.height * scale);
    BoundingBox::new(center.x - width / 2.0, center.y - height / 2.0, width, height)
}

fn both(a: &Landmarks, b: &Landmarks) -> [Point; 10] {
    std::array::from_fn(|i| if i < 5 { a[i] } else { b[i - 5] })
}
