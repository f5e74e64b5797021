//! What is known of a series as bytes, and back, bit for bit.
//!
//! Fields one behind the other, little end first, without names or lengths: the version in front says what they are. A number
//! that is none and a place beyond its end are refused; that the bytes are those that were written is for the checksum of
//! the file to say that they come from.

/// Something that is written as it is.
pub(super) trait Plain: Sized {
    fn write(&self, out: &mut Vec<u8>);

    /// Takes it from the front of `input`; `None` when it cannot be what was written.
    fn read(input: &mut &[u8]) -> Option<Self>;
}

/// Has a struct written field by field; `sound` says which of those that could be read can have been written.
macro_rules! plain {
    ($name:ident $(<$(const $parameter:ident: $kind:ty),+>)? { $($field:ident),+ $(,)? }) => {
        plain!($name $(<$(const $parameter: $kind),+>)? { $($field),+ } |_| true);
    };
    ($name:ident $(<$(const $parameter:ident: $kind:ty),+>)? { $($field:ident),+ $(,)? } $sound:expr) => {
        impl $(<$(const $parameter: $kind),+>)? $crate::detect::adaptive::bytes::Plain for $name $(<$($parameter),+>)? {
            fn write(&self, out: &mut Vec<u8>) {
                $($crate::detect::adaptive::bytes::Plain::write(&self.$field, out);)+
            }

            fn read(input: &mut &[u8]) -> Option<Self> {
                let read = Self { $($field: $crate::detect::adaptive::bytes::Plain::read(input)?),+ };
                let sound: fn(&Self) -> bool = $sound;
                sound(&read).then_some(read)
            }
        }
    };
}
pub(super) use plain;

macro_rules! plain_number {
    ($($number:ty, $sound:expr;)+) => {$(
        impl Plain for $number {
            fn write(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }

            fn read(input: &mut &[u8]) -> Option<Self> {
                let (bytes, rest) = input.split_first_chunk()?;
                *input = rest;
                let sound: fn(&Self) -> bool = $sound;
                Some(Self::from_le_bytes(*bytes)).filter(sound)
            }
        }
    )+};
}
plain_number! {
    u8, |_| true;
    u16, |_| true;
    u32, |_| true;
    i64, |_| true;
    f32, |number| number.is_finite();
    f64, |number| number.is_finite();
}

impl Plain for bool {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }

    fn read(input: &mut &[u8]) -> Option<Self> {
        match u8::read(input)? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }
}

impl<T: Plain + Copy + Default, const N: usize> Plain for [T; N] {
    fn write(&self, out: &mut Vec<u8>) {
        for element in self {
            element.write(out);
        }
    }

    fn read(input: &mut &[u8]) -> Option<Self> {
        let mut array = [T::default(); N];
        for element in &mut array {
            *element = T::read(input)?;
        }
        Some(array)
    }
}

impl<T: Plain> Plain for Option<Box<T>> {
    fn write(&self, out: &mut Vec<u8>) {
        self.is_some().write(out);
        if let Some(inner) = self {
            inner.write(out);
        }
    }

    fn read(input: &mut &[u8]) -> Option<Self> {
        Some(if bool::read(input)? {
            Some(Box::new(T::read(input)?))
        } else {
            None
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq)]
    struct Pair {
        place: u8,
        values: [f32; 2],
    }
    plain!(Pair { place, values } | pair | pair.place < 2);

    #[test]
    fn what_is_written_reads_back_and_nothing_else_does() {
        let pair = Some(Box::new(Pair {
            place: 1,
            values: [0.1, -0.0],
        }));
        let mut bytes = Vec::new();
        pair.write(&mut bytes);
        assert_eq!(bytes.len(), 1 + 1 + 8);
        let read = |bytes: &[u8]| Option::<Box<Pair>>::read(&mut &*bytes);
        assert_eq!(read(&bytes), Some(pair));
        assert_eq!(read(&bytes[..9]), None, "cut off");
        for (place, byte) in [(0, 2), (1, 2), (5, 0xff)] {
            let mut wrong = bytes.clone();
            wrong[place] = byte;
            if place == 5 {
                // An exponent of all ones.
                wrong[4] = 0x80;
            }
            assert_eq!(read(&wrong), None, "byte {place}");
        }
    }
}
