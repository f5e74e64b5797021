//! stand-in until the codec arrives
pub(crate) const BLOCK_LEN: usize = 256;
#[derive(Debug, Clone)]
pub(crate) struct Block {
    points: Box<[(i64, f64)]>,
}
#[derive(Debug, Default)]
pub struct Scratch {}
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cursor {
    index: u16,
}
impl Block {
    pub(crate) fn seal(timestamps: &[i64], values: &[f64], _s: &mut Scratch) -> Block {
        Block {
            points: timestamps.iter().copied().zip(values.iter().copied()).collect(),
        }
    }
    pub(crate) fn len(&self) -> usize {
        self.points.len()
    }
    pub(crate) fn last_timestamp(&self) -> i64 {
        self.points.last().unwrap().0
    }
    pub(crate) fn size_bytes(&self) -> usize {
        self.points.len() * 16
    }
    pub(crate) fn cursor(&self) -> Cursor {
        Cursor::default()
    }
    pub(crate) fn decode(&self, mut each: impl FnMut(i64, f64)) {
        for &(t, v) in &self.points {
            each(t, v)
        }
    }
}
impl Cursor {
    pub(crate) fn next(&mut self, block: &Block) -> Option<(i64, f64)> {
        let p = block.points.get(self.index as usize).copied();
        self.index += 1;
        p
    }
}
