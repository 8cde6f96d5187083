//! How known kinds of embedders are fed, and how faces are aligned for them.

use clap::ValueEnum;
use facerecog_engine::Point;
use facerecog_engine::align::Fit;
use facerecog_engine::detect::Landmarks;
use facerecog_engine::embed::Metric;
use facerecog_engine::model::{Channels, Decoder};

/// Kinds of embedders. Their names are values of an option, and their documentation its help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Kind {
    /// InsightFace's ArcFace networks and those that are trained like them: RGB, (x − 127.5) / 127.5
    Arcface,
    /// fal's AuraFace, an ArcFace R100
    Auraface,
    /// OpenCV's SFace, whose FaceRecognizerSF brings OpenCV's BGR into this order: RGB, 0…255
    Sface,
    /// ArcFace trained with ImageNet's mean and deviation, as pack fast's MobileFaceNet: RGB
    Imagenet,
    /// dlib's face recognition ResNet, its mean inside the file: RGB, 0…255, Euclidean
    Dlib,
}

/// What a kind says where no option says otherwise.
#[derive(Debug, Clone, Copy)]
pub(super) struct Preset {
    pub(super) template: Template,
    pub(super) channels: Channels,
    pub(super) mean: [f32; 3],
    pub(super) scale: [f32; 3],
    pub(super) metric: Metric,
    /// Distance below which two faces count as one person until the pack is measured, and whose number it is.
    pub(super) threshold: (f32, &'static str),
    pub(super) licence: Option<&'static str>,
    pub(super) source: Option<&'static str>,
}

impl Kind {
    pub(super) fn preset(self) -> Preset {
        let arcface = Preset {
            template: Template::Arcface112,
            channels: Channels::Rgb,
            mean: [127.5; 3],
            scale: [1.0 / 127.5; 3],
            metric: Metric::Cosine,
            threshold: (1.095, "a cosine of 0.4, chosen with caution"),
            licence: None,
            source: None,
        };
        match self {
            Self::Arcface => arcface,
            Self::Auraface => Preset {
                licence: Some("Apache-2.0"),
                source: Some("https://huggingface.co/fal/AuraFace-v1/resolve/main/glintr100.onnx"),
                ..arcface
            },
            Self::Sface => Preset {
                mean: [0.0; 3],
                scale: [1.0; 3],
                // samples/dnn/face_detect.cpp and opencv_zoo's sface.py.
                threshold: (1.128, "OpenCV's for SFace, a cosine of 0.363"),
                licence: Some("Apache-2.0"),
                source: Some("OpenCV Zoo, models/face_recognition_sface"),
                ..arcface
            },
            Self::Imagenet => {
                Preset { mean: [123.675, 116.28, 103.53], scale: [0.017124754, 0.017507003, 0.017429194], ..arcface }
            }
            Self::Dlib => Preset {
                template: Template::Dlib150,
                mean: [0.0; 3],
                scale: [1.0; 3],
                metric: Metric::Euclidean,
                threshold: (0.6, "dlib's for its own network"),
                ..arcface
            },
        }
    }
}

/// Where the landmarks of a face lie in an aligned crop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Template {
    /// InsightFace's, in 112×112 pixels: nearly every embedder of five landmarks
    #[value(name = "arcface-112")]
    Arcface112,
    /// dlib's face chip of 150×150 pixels with a padding of 0.25
    #[value(name = "dlib-150")]
    Dlib150,
}

impl Template {
    /// Side of the crop, in pixels.
    pub(super) fn side(self) -> u32 {
        match self {
            Self::Arcface112 => 112,
            Self::Dlib150 => 150,
        }
    }

    /// The one of crops of this side, if there is one.
    pub(super) fn of_side(side: u32) -> Option<Self> {
        [Self::Arcface112, Self::Dlib150].into_iter().find(|template| template.side() == side)
    }

    /// How landmarks are brought onto it.
    pub(super) fn fit(self) -> Fit {
        match self {
            Self::Arcface112 => Fit::Crop,
            Self::Dlib150 => Fit::Photo,
        }
    }

    /// Its points, as the landmarks of this kind of detector have them on average.
    pub(super) fn points(self, decoder: Decoder) -> Landmarks {
        let points = match (self, decoder) {
            (Self::Arcface112, _) => {
                [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
            }
            (Self::Dlib150, Decoder::Mtcnn) => {
                [[46.96, 44.88], [101.46, 45.00], [73.92, 78.45], [49.21, 101.80], [99.39, 101.63]]
            }
            // Measured of YuNet; SCRFD learned the same landmarks, those of WIDER FACE.
            (Self::Dlib150, Decoder::Yunet | Decoder::Scrfd) => {
                [[46.25, 44.78], [101.99, 44.05], [74.48, 77.68], [50.18, 101.66], [99.56, 101.01]]
            }
        };
        points.map(|[x, y]| Point::new(x, y))
    }
}
