//! Text and binary content that compresses about as the real thing does.

use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};

const SYLLABLES: [&str; 24] = [
    "ba", "con", "der", "el", "fit", "gra", "hid", "in", "ker", "lo", "mod", "nor", "op", "par", "que", "re",
    "seg", "tok", "un", "vec", "wei", "xe", "yi", "zo",
];
const VOCABULARY: usize = 6_000;
const LINES: [&str; 12] = [
    "def {}({}, {}=None):",
    "    self.{} = {}({}, {})",
    "    if {} is None and {} > {}:",
    "        return {}.{}({})",
    "    for {} in range(len({})):",
    "        {} += {}[{}] * {}",
    "import {}.{} as {}",
    "from {} import {}, {}",
    "class {}({}):",
    "    \"\"\"{} the {} of each {} before {}.\"\"\"",
    "        raise ValueError(f\"{} must be {}, not {{}}\")",
    "    # {} {} {} {} {}",
];
/// Identifiers and numbers of a made-up code base, frequent ones first.
pub(crate) struct Words {
    words: Vec<String>,
}

impl Words {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let words = (0..VOCABULARY).map(|_| {
            let parts = 1 + rng.random_range(0..4);
            let word: Vec<&str> =
                (0..parts).map(|_| SYLLABLES[rng.random_range(0..SYLLABLES.len())]).collect();
            if rng.random_range(0..4) == 0 { word.join("_") } else { word.concat() }
        });
        Self { words: words.collect() }
    }

    /// Few words are frequent and most are rare, as in any text.
    fn word(&self, rng: &mut StdRng) -> &str {
        let skewed = rng.random::<f64>().powi(4);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "below the vocabulary's size"
        )]
        let index = (skewed * VOCABULARY as f64) as usize;
        &self.words[index.min(VOCABULARY - 1)]
    }

    /// About `length` bytes of source code.
    pub(crate) fn code(&self, rng: &mut StdRng, length: usize) -> Vec<u8> {
        let mut text = String::with_capacity(length + 100);
        while text.len() < length {
            let line = LINES[rng.random_range(0..LINES.len())];
            for (index, part) in line.split("{}").enumerate() {
                if index > 0 {
                    match rng.random_range(0..9) {
                        0 => text += &rng.random_range(0..4_096).to_string(),
                        _ => text += self.word(rng),
                    }
                }
                text += part;
            }
            text.push('\n');
        }
        text.into_bytes()
    }

    /// A notebook: cells of code, printed output, and now and then a picture that nothing compresses but its base64.
    pub(crate) fn notebook(&self, rng: &mut StdRng, length: usize) -> Vec<u8> {
        use base64::Engine as _;
        let mut text = b"{\"cells\": [\n".to_vec();
        while text.len() < length {
            text.extend_from_slice(b"  {\"cell_type\": \"code\", \"metadata\": {}, \"source\": [\n");
            let size = rng.random_range(200..1_200);
            for line in self.code(rng, size).split(|byte| *byte == b'\n') {
                text.extend_from_slice(b"    \"");
                text.extend(line.iter().map(|byte| if *byte == b'"' { b'\'' } else { *byte }));
                text.extend_from_slice(b"\\n\",\n");
            }
            text.extend_from_slice(b"  ], \"outputs\": [");
            if rng.random_range(0..3) == 0 {
                let picture = random(rng, 12_000);
                text.extend_from_slice(b"{\"image/png\": \"");
                text.extend(base64::engine::general_purpose::STANDARD.encode(picture).bytes());
                text.extend_from_slice(b"\"}");
            }
            text.extend_from_slice(b"]},\n");
        }
        text.extend_from_slice(b"]}\n");
        text
    }

    /// Rows of numbers, times and categories.
    pub(crate) fn table(&self, rng: &mut StdRng, length: usize) -> Vec<u8> {
        let mut text = String::with_capacity(length + 100);
        text += "id,timestamp,label,loss,score,comment\n";
        let mut time = 1_700_000_000_u64;
        for id in 0_u64.. {
            if text.len() >= length {
                break;
            }
            time += rng.random_range(1..90);
            let (loss, score) = (rng.random::<f32>(), rng.random::<f32>() * 100.0);
            let (label, comment) = (self.word(rng), self.word(rng));
            text += &format!("{id},{time},{label},{loss:.6},{score:.3},{comment}\n");
        }
        text.into_bytes()
    }

    /// What a compiler leaves: a few instruction shapes with varying operands, and a table of names.
    pub(crate) fn object_code(&self, rng: &mut StdRng, length: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(length + 64);
        let shapes: Vec<[u8; 6]> = (0..96).map(|_| rng.random()).collect();
        while bytes.len() < length * 4 / 5 {
            bytes.extend_from_slice(&shapes[rng.random_range(0..shapes.len())]);
            bytes.push(rng.random_range(0..48));
            bytes.push(if rng.random_range(0..3) == 0 { rng.random() } else { 0 });
        }
        while bytes.len() < length {
            bytes.extend_from_slice(self.word(rng).as_bytes());
            bytes.push(0);
        }
        bytes
    }
}

pub(crate) fn random(rng: &mut StdRng, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    rng.fill_bytes(&mut bytes);
    bytes
}

/// A slice of a checkpoint: every other megabyte is weights that nothing compresses, the rest is optimiser state whose
/// exponents repeat and half of which is zero.
pub(crate) fn tensor(rng: &mut StdRng, position: u64, length: usize) -> Vec<u8> {
    let mut bytes = random(rng, length);
    if (position >> 20) % 2 == 1 {
        for value in bytes.chunks_exact_mut(4) {
            if value[0] & 1 == 0 {
                value.fill(0);
            } else {
                value[3] = 0x3b + (value[3] & 3);
            }
        }
    }
    bytes
}

/// Columns as parquet keeps them: compressed pages behind small headers.
pub(crate) fn pages(rng: &mut StdRng, length: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(length + 8_192);
    while bytes.len() < length {
        bytes.extend_from_slice(b"PAR1\x15\x04\x15\x80\x80\x04\x4c\x15\x00\x00\x00\x00");
        bytes.extend(random(rng, 7_000));
        bytes.extend((0..1_000_u32).flat_map(|row| (row / 8).to_le_bytes()[..1].to_vec()));
    }
    bytes
}
