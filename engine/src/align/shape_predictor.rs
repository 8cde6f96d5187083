//! Five landmarks by a cascade of regression trees, as dlib's `shape_predictor` finds them.
//!
//! Kazemi and Sullivan, "One Millisecond Face Alignment with an Ensemble of Regression Trees" (CVPR 2014). Each stage
//! looks at a few hundred pixels that lie about the landmarks where they are thought to be; each of its trees compares
//! some of them, and says how the landmarks are to be moved.

use super::SimilarityTransform;
use crate::detect::Landmarks;
use crate::photo::View;
use crate::{BoundingBox, Point};

const MAGIC: &[u8] = b"dlibtree";

/// Most stages, trees of a stage, levels of a tree, and pixels of a stage: they bound the memory that a file can ask for.
/// dlib's predictor has 15, 500, 4 and 800.
const LIMITS: [usize; 4] = [64, 4096, 8, 1024];

/// Numbers in a leaf: x and y of each landmark.
const LEAF: usize = 10;

/// A predictor of five landmarks. Its file is described in `models/convert/dlib_landmarks.py`.
pub struct ShapePredictor {
    /// Where landmarks are in a box before anything is seen: (0, 0) is its first pixel, (1, 1) its last.
    shape: Landmarks,
    stages: Vec<Stage>,
    /// Splits of a tree, those of all levels.
    splits: usize,
}

struct Stage {
    pixels: Vec<Pixel>,
    /// Those of a tree are next to each other, its root first; the two after `i` are `2i + 1` and `2i + 2`.
    splits: Vec<Split>,
    /// What the leaves are multiplied with.
    scale: f32,
    leaves: Vec<[i16; LEAF]>,
}

/// A pixel that a stage looks at.
struct Pixel {
    /// The landmark that it moves with.
    anchor: usize,
    /// From that landmark, in sides of the box, as long as the shape is the first one.
    offset: Point,
}

/// Goes left where the first pixel is brighter than the second by more than the threshold.
#[derive(Clone, Copy)]
struct Split {
    first: u16,
    second: u16,
    threshold: i16,
}

impl ShapePredictor {
    /// Reads a file.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(file: &[u8]) -> Result<Self, String> {
        let mut reader = Reader { left: file };
        if reader.bytes(MAGIC.len())? != MAGIC {
            return Err("is no predictor of landmarks".to_owned());
        }
        let [landmarks, stages, trees, depth, pixels] = reader.array(u16::from_le_bytes)?.map(usize::from);
        let sizes = [stages, trees, depth, pixels];
        if landmarks != LEAF / 2 || sizes.iter().zip(LIMITS).any(|(&size, most)| !(1..=most).contains(&size)) {
            return Err(format!(
                "{landmarks} landmarks, and stages, trees, levels, pixels {sizes:?} are not supported"
            ));
        }
        let splits = (1 << depth) - 1;
        let shape = reader.array::<f32, 4, LEAF>(f32::from_le_bytes)?;
        let shape = std::array::from_fn(|i| Point::new(shape[2 * i], shape[2 * i + 1]));
        let stages = (0..stages).map(|_| reader.stage(trees, splits, pixels)).collect::<Result<_, _>>()?;
        if !reader.left.is_empty() {
            return Err(format!("{} bytes are left over", reader.left.len()));
        }
        Ok(Self { shape, stages, splits })
    }

    /// The landmarks of the face in a box, in the order of the file: for dlib's, outer and inner corner of the image-right
    /// eye, outer and inner corner of the image-left eye, and the nose where it meets the lip.
    ///
    /// The box is a square in pixels of the whole photo, from the middle of its first pixel to that of its last, and
    /// frames the face as in training: for dlib's, from the brows to the chin. Pixels beyond the photo are black.
    pub fn find<'a>(&self, photo: impl Into<View<'a>>, bbox: &BoundingBox) -> Landmarks {
        let view = photo.into();
        let in_photo = |point: Point| Point::new(bbox.x + point.x * bbox.width, bbox.y + point.y * bbox.height);
        let mut shape = self.shape;
        let mut seen = Vec::new();
        for stage in &self.stages {
            let turned = SimilarityTransform::estimate(&self.shape, &shape);
            seen.clear();
            seen.extend(stage.pixels.iter().map(|pixel| {
                let (anchor, offset) = (shape[pixel.anchor], turned.turn(pixel.offset));
                view.intensity(in_photo(Point::new(anchor.x + offset.x, anchor.y + offset.y)))
            }));
            let sums = stage.sums(&seen, self.splits);
            for (point, sum) in shape.iter_mut().zip(sums.chunks_exact(2)) {
                point.x += sum[0] as f32 * stage.scale;
                point.y += sum[1] as f32 * stage.scale;
            }
        }
        shape.map(in_photo)
    }
}

impl Stage {
    /// The sums of the leaves that the trees end at.
    fn sums(&self, seen: &[i16], splits: usize) -> [i32; LEAF] {
        let mut sums = [0; LEAF];
        for (tree, leaves) in self.splits.chunks_exact(splits).zip(self.leaves.chunks_exact(splits + 1)) {
            let mut node = 0;
            while let Some(&Split { first, second, threshold }) = tree.get(node) {
                let left = seen[usize::from(first)] - seen[usize::from(second)] > threshold;
                node = 2 * node + if left { 1 } else { 2 };
            }
            for (sum, number) in sums.iter_mut().zip(leaves[node - splits]) {
                *sum += i32::from(number);
            }
        }
        sums
    }
}

impl std::fmt::Debug for ShapePredictor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ShapePredictor({} stages)", self.stages.len())
    }
}

/// Takes numbers from the front of what is left.
struct Reader<'a> {
    left: &'a [u8],
}

impl<'a> Reader<'a> {
    fn bytes(&mut self, count: usize) -> Result<&'a [u8], String> {
        let (taken, left) = self.left.split_at_checked(count).ok_or("ends too early")?;
        self.left = left;
        Ok(taken)
    }

    fn numbers<T, const BYTES: usize>(
        &mut self,
        count: usize,
        of: fn([u8; BYTES]) -> T,
    ) -> Result<impl Iterator<Item = T> + use<'a, T, BYTES>, String> {
        Ok(self.bytes(count * BYTES)?.as_chunks::<BYTES>().0.iter().map(move |&bytes| of(bytes)))
    }

    fn array<T: Default + Copy, const BYTES: usize, const N: usize>(
        &mut self,
        of: fn([u8; BYTES]) -> T,
    ) -> Result<[T; N], String> {
        let mut array = [T::default(); N];
        array.iter_mut().zip(self.numbers(N, of)?).for_each(|(to, number)| *to = number);
        Ok(array)
    }

    fn stage(&mut self, trees: usize, splits: usize, pixels: usize) -> Result<Stage, String> {
        let anchors = self.bytes(pixels)?;
        let offsets: Vec<f32> = self.numbers(2 * pixels, f32::from_le_bytes)?.collect();
        let pixels: Vec<Pixel> = anchors
            .iter()
            .zip(offsets.chunks_exact(2))
            .map(|(&anchor, offset)| Pixel { anchor: anchor.into(), offset: Point::new(offset[0], offset[1]) })
            .collect();
        let splits: Vec<Split> = self.numbers(trees * splits, u32::from_le_bytes)?.map(Split::unpacked).collect();
        let [scale] = self.array(f32::from_le_bytes)?;
        let leaves = trees * (splits.len() / trees + 1);
        let leaves = self.numbers(leaves * LEAF, i16::from_le_bytes)?.collect::<Vec<_>>();
        let leaves = leaves.as_chunks::<LEAF>().0.to_vec();
        if pixels.iter().any(|pixel| pixel.anchor >= LEAF / 2) {
            return Err("a pixel moves with a landmark that there is not".to_owned());
        }
        if splits.iter().any(|split| usize::from(split.first.max(split.second)) >= pixels.len()) {
            return Err("a tree looks at a pixel that there is not".to_owned());
        }
        Ok(Stage { pixels, splits, scale, leaves })
    }
}

impl Split {
    fn unpacked(bits: u32) -> Self {
        let field = |from: u32, width: u32| ((bits >> from) & ((1 << width) - 1)) as u16;
        Self { first: field(0, 10), second: field(10, 10), threshold: field(20, 8) as i16 - 128 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::photo::Photo;

    /// One tree of one split: where the pixel at the first landmark is brighter than that at the second by more than
    /// 10, the nose moves right by 0.5, else left.
    fn small() -> Vec<u8> {
        let mut file = MAGIC.to_vec();
        [5_u16, 1, 1, 1, 2].iter().for_each(|size| file.extend(size.to_le_bytes()));
        [0.0_f32, 0.0, 1.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.5, 0.5]
            .iter()
            .for_each(|number| file.extend(number.to_le_bytes()));
        file.extend([0, 1]);
        file.extend([0; 16]);
        file.extend((1_u32 << 10 | 138 << 20).to_le_bytes());
        file.extend(0.25_f32.to_le_bytes());
        for nose in [2_i16, -2] {
            [0, 0, 0, 0, 0, 0, 0, 0, nose, 0].iter().for_each(|number| file.extend(number.to_le_bytes()));
        }
        file
    }

    #[test]
    fn a_tree_moves_a_landmark_by_what_it_sees() {
        let predictor = ShapePredictor::parse(&small()).unwrap();
        let bbox = BoundingBox::new(1.0, 1.0, 4.0, 4.0);
        for (brightness, nose) in [([50, 39], 5.0), ([50, 40], 1.0), ([50, 60], 1.0)] {
            let mut rgb = vec![0; 8 * 8 * 3];
            rgb[(8 + 1) * 3..][..3].fill(brightness[0]);
            rgb[(8 + 5) * 3..][..3].fill(brightness[1]);
            let found = predictor.find(&Photo::from_rgb(8, 8, rgb), &bbox);
            assert_eq!(found[4], Point::new(nose, 3.0), "{brightness:?}");
            assert_eq!(found[3], Point::new(5.0, 5.0));
        }
    }

    #[test]
    fn boxes_of_any_kind_are_looked_at() {
        let predictor = ShapePredictor::parse(&small()).unwrap();
        let photo = Photo::from_rgb(8, 8, vec![9; 8 * 8 * 3]);
        for number in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e30, -1e30] {
            predictor.find(&photo, &BoundingBox::new(number, number, number, number));
        }
    }

    #[test]
    fn damage_is_an_error_and_not_a_panic() {
        let whole = small();
        for length in 0..whole.len() {
            assert!(ShapePredictor::parse(&whole[..length]).is_err(), "{length}");
        }
        for (at, byte) in [(0, 0), (8, 4), (10, 200), (14, 9), (16, 0), (58, 5), (76, 200)] {
            let mut damaged = whole.clone();
            damaged[at] = byte;
            assert!(ShapePredictor::parse(&damaged).is_err(), "{at}");
        }
        assert!(ShapePredictor::parse(&[&whole[..], b"x"].concat()).is_err());
    }
}
