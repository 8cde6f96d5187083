//! People by their templates.

use facerecog_kernels::codes::{BLOCK_ROWS, Line, block_lines, encode_block};

use super::nearest::Candidate;
use super::people::PersonRows;
use super::scan::Rows;
use crate::embed::template;
use crate::gallery::Gallery;

/// The template of each person, laid out as the gallery's rows are.
#[derive(Debug)]
pub(in crate::gallery) struct Templates {
    embeddings: Vec<f32>,
    codes: Vec<Line>,
}

impl Templates {
    fn new(gallery: &Gallery, of_person: &PersonRows) -> Self {
        let (stride, dims) = (gallery.embedding_stride(), gallery.identity().dims);
        // Somebody without a row, as a damaged file may have, is nobody's nearest.
        let mut embeddings = vec![f32::NAN; gallery.person_count() * stride];
        for (person, place) in embeddings.chunks_exact_mut(stride).enumerate() {
            let template = template(of_person.of(person).iter().map(|row| gallery.embedding(*row)));
            place[..template.len()].copy_from_slice(&template);
        }
        let mut codes = vec![[0; 64]; gallery.person_count().div_ceil(BLOCK_ROWS) * block_lines(dims)];
        for (block, people) in codes.chunks_mut(block_lines(dims)).zip(embeddings.chunks(BLOCK_ROWS * stride)) {
            let people: Vec<&[f32]> = people.chunks_exact(stride).map(|template| &template[..dims]).collect();
            encode_block(&people, dims, block);
        }
        Self { embeddings, codes }
    }
}

/// The `k` people whose templates are nearest, for each probe: the distance of the template, and the nearest of the
/// person's rows.
pub(super) fn by_template(gallery: &Gallery, rows: &Rows<'_>, probes: &[&[f32]], k: usize) -> Vec<Vec<Candidate>> {
    let of_person = PersonRows::of_gallery(gallery);
    let Templates { embeddings, codes } = gallery.templates.get_or_init(|| Templates::new(gallery, of_person));
    let codes = if rows.kernels.are_fast_with_codes() { codes } else { &[][..] };
    let found = Rows { embeddings, codes, ..*rows }.nearest(probes, k, &|person| person);
    let with_row = |probe: &[f32], Candidate { row: person, distance }: Candidate| {
        let own = of_person.of(person).iter().map(|row| Candidate { row: *row, distance: rows.distance(probe, *row) });
        own.min().map(|nearest| Candidate { row: nearest.row, distance })
    };
    let of_probe = |(probe, found): (&&[f32], Vec<Candidate>)| {
        found.into_iter().filter_map(|candidate| with_row(probe, candidate)).collect()
    };
    probes.iter().zip(found).map(of_probe).collect()
}
