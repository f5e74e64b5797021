//! What is remembered, as bytes and back: numbers, and structs made of them.
//!
//! Knows no file, version or checksum: who keeps the bytes sees to these. Numbers are little-endian and exact to the bit.
//!
//! * What is loaded was saved by the same form, or it is [`Damaged`]. A form that changes is a new one: its owner raises
//!   the number that goes with it.
//! * Loading never reads beyond the end, and allocates no more than bytes are left.
//! * `fields!` makes the form of a struct from the list of its fields, and does not compile while one is missing.

/// Bytes that are not what was to be loaded from them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damaged(pub &'static str);

/// Bytes of which the first have been loaded.
#[derive(Clone, Copy, Debug)]
pub struct Saved<'a> {
    bytes: &'a [u8],
    /// Are numbers that are infinite, or none, refused?
    is_finite: bool,
}

/// What can be saved as bytes, and loaded from them again.
pub trait Save: Sized {
    /// Appends the bytes.
    fn save(&self, out: &mut Vec<u8>);

    /// Takes the bytes off `from`.
    ///
    /// # Errors
    /// When they are something else.
    fn load(from: &mut Saved<'_>) -> Result<Self, Damaged>;
}

/// Why bytes end too early.
const SHORT: Damaged = Damaged("it ends too early");

impl std::fmt::Display for Damaged {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Damaged {}

impl<'a> Saved<'a> {
    /// Nothing of `bytes` has been loaded yet.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            is_finite: false,
        }
    }

    /// The same bytes, of which no number can be infinite, or none: such a number is refused.
    #[must_use]
    pub fn finite(self) -> Self {
        Self {
            is_finite: true,
            ..self
        }
    }

    /// Bytes that are left.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Is nothing left?
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The next `count` bytes.
    ///
    /// # Errors
    /// When fewer are left.
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], Damaged> {
        let (taken, rest) = self.bytes.split_at_checked(count).ok_or(SHORT)?;
        self.bytes = rest;
        Ok(taken)
    }

    /// Bytes with their number before them, as [`put_bytes`] puts them.
    ///
    /// # Errors
    /// When fewer are left.
    pub fn bytes(&mut self) -> Result<&'a [u8], Damaged> {
        let count = u32::load(self)?;
        self.take(count as usize)
    }

    /// The same as text.
    ///
    /// # Errors
    /// When fewer are left, or they are not UTF-8.
    pub fn text(&mut self) -> Result<&'a str, Damaged> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Damaged("a text is not UTF-8"))
    }

    /// Makes sure that nothing is left.
    ///
    /// # Errors
    /// When something is.
    pub fn end(&self) -> Result<(), Damaged> {
        if self.is_empty() {
            Ok(())
        } else {
            Err(Damaged("it goes on behind its end"))
        }
    }
}

/// Appends bytes with their number before them.
///
/// # Panics
/// When there are 4 GiB of them.
pub fn put_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    put_sized(out, |out| out.extend_from_slice(bytes));
}

/// Appends what `put` appends, with the number of its bytes before it.
///
/// # Panics
/// When there are 4 GiB of them.
pub fn put_sized(out: &mut Vec<u8>, put: impl FnOnce(&mut Vec<u8>)) {
    let begins = out.len();
    0_u32.save(out);
    put(out);
    let count = out.len() - begins - size_of::<u32>();
    let count = u32::try_from(count).expect("nothing that is saved takes 4 GiB");
    out[begins..begins + size_of::<u32>()].copy_from_slice(&count.to_le_bytes());
}

macro_rules! numbers {
    ($($number:ty, $is_finite:expr;)*) => {$(
        impl Save for $number {
            fn save(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }

            fn load(from: &mut Saved<'_>) -> Result<Self, Damaged> {
                let bytes = from.take(size_of::<Self>())?;
                let number = Self::from_le_bytes(bytes.try_into().expect("so many were taken"));
                let is_finite: fn(Self) -> bool = $is_finite;
                if from.is_finite && !is_finite(number) {
                    return Err(Damaged("a number is infinite, or none"));
                }
                Ok(number)
            }
        }
    )*};
}

numbers! {
    u8, |_| true;
    u16, |_| true;
    u32, |_| true;
    u64, |_| true;
    i64, |_| true;
    i128, |_| true;
    f32, f32::is_finite;
    f64, f64::is_finite;
}

impl Save for bool {
    fn save(&self, out: &mut Vec<u8>) {
        u8::from(*self).save(out);
    }

    fn load(from: &mut Saved<'_>) -> Result<Self, Damaged> {
        match u8::load(from)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Damaged("a truth value is neither 0 nor 1")),
        }
    }
}

impl Save for String {
    fn save(&self, out: &mut Vec<u8>) {
        put_bytes(self.as_bytes(), out);
    }

    fn load(from: &mut Saved<'_>) -> Result<Self, Damaged> {
        from.text().map(str::to_owned)
    }
}

impl<T: Save> Save for Option<T> {
    fn save(&self, out: &mut Vec<u8>) {
        self.is_some().save(out);
        if let Some(value) = self {
            value.save(out);
        }
    }

    fn load(from: &mut Saved<'_>) -> Result<Self, Damaged> {
        bool::load(from)?.then(|| T::load(from)).transpose()
    }
}

impl<T: Save> Save for Box<T> {
    fn save(&self, out: &mut Vec<u8>) {
        T::save(self, out);
    }

    fn load(from: &mut Saved<'_>) -> Result<Self, Damaged> {
        T::load(from).map(Self::new)
    }
}

impl<T: Save + Copy + Default, const N: usize> Save for [T; N] {
    fn save(&self, out: &mut Vec<u8>) {
        for value in self {
            value.save(out);
        }
    }

    fn load(from: &mut Saved<'_>) -> Result<Self, Damaged> {
        let mut values = [T::default(); N];
        for value in &mut values {
            *value = T::load(from)?;
        }
        Ok(values)
    }
}

/// That something which has to hold of what was loaded does; if not, `otherwise` says what is wrong.
pub(crate) fn hold(holds: bool, otherwise: &'static str) -> Result<(), Damaged> {
    if holds { Ok(()) } else { Err(Damaged(otherwise)) }
}

/// The form of a struct: its fields, one after the other. Behind `check`, a function that says what else has to hold.
macro_rules! fields {
    ($name:ty { $($field:ident),+ $(,)? }) => {
        $crate::save::fields!($name { $($field),+ } check |_| Ok(()));
    };
    ($name:ty { $($field:ident),+ $(,)? } check $check:expr) => {
        impl $crate::save::Save for $name {
            fn save(&self, out: &mut Vec<u8>) {
                let Self { $($field),+ } = self;
                $($crate::save::Save::save($field, out);)+
            }

            fn load(from: &mut $crate::save::Saved<'_>) -> Result<Self, $crate::save::Damaged> {
                $(let $field = $crate::save::Save::load(from)?;)+
                let loaded = Self { $($field),+ };
                let check: fn(&Self) -> Result<(), $crate::save::Damaged> = $check;
                check(&loaded).map(|()| loaded)
            }
        }
    };
}
pub(crate) use fields;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, PartialEq)]
    struct Sample {
        count: u32,
        name: Option<Box<u8>>,
        values: [f64; 2],
    }
    fields!(Sample { count, name, values } check |sample| match sample.count {
        0 => Err(Damaged("no samples")),
        _ => Ok(()),
    });

    fn saved(value: &impl Save) -> Vec<u8> {
        let mut out = Vec::new();
        value.save(&mut out);
        out
    }

    #[test]
    fn what_was_saved_comes_back_to_the_bit() {
        let sample = Sample {
            count: 7,
            name: Some(Box::new(9)),
            values: [-0.0, f64::MAX],
        };
        let bytes = saved(&sample);
        let mut from = Saved::new(&bytes);
        let loaded = Sample::load(&mut from).unwrap();
        assert_eq!(loaded, sample);
        assert_eq!(loaded.values.map(f64::to_bits), sample.values.map(f64::to_bits));
        from.end().unwrap();
    }

    #[test]
    fn what_does_not_hold_is_damaged() {
        let none = saved(&Sample {
            count: 0,
            name: None,
            values: [0.0; 2],
        });
        assert_eq!(Sample::load(&mut Saved::new(&none)), Err(Damaged("no samples")));
        let some = saved(&Sample {
            count: 1,
            name: None,
            values: [0.0; 2],
        });
        assert_eq!(Sample::load(&mut Saved::new(&some[..some.len() - 1])), Err(SHORT));
        assert!(Saved::new(&some).end().is_err());
    }

    #[test]
    fn numbers_that_are_none_are_refused_where_there_can_be_none() {
        for (double, single) in [(f64::INFINITY, f32::INFINITY), (f64::NAN, f32::NAN)] {
            let bytes = saved(&double);
            assert_eq!(
                f64::load(&mut Saved::new(&bytes)).map(f64::to_bits),
                Ok(double.to_bits())
            );
            assert!(f64::load(&mut Saved::new(&bytes).finite()).is_err());
            assert!(f32::load(&mut Saved::new(&saved(&single)).finite()).is_err());
        }
        assert_eq!(f64::load(&mut Saved::new(&saved(&f64::MAX)).finite()), Ok(f64::MAX));
    }

    #[test]
    fn bytes_go_with_their_number() {
        let mut out = Vec::new();
        put_bytes("größe".as_bytes(), &mut out);
        put_bytes(b"\xff", &mut out);
        let mut from = Saved::new(&out);
        assert_eq!(from.text(), Ok("größe"));
        assert!(from.text().is_err());
        let huge = saved(&u32::MAX);
        assert_eq!(Saved::new(&huge).bytes(), Err(SHORT));
    }

    proptest! {
        #[test]
        fn any_bytes_are_loaded_or_refused(bytes: Vec<u8>) {
            let mut from = Saved::new(&bytes);
            let before = from.len();
            if Sample::load(&mut from).is_ok() {
                prop_assert!(from.len() < before);
            }
        }
    }
}
