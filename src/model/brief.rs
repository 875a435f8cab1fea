//! A text that is mostly short, kept in its place: among a hundred thousand things that are read at random, each way to somewhere
//! else is a wait for memory.
use std::ops::Deref;

/// So many bytes fit. Most addresses do.
const ROOM: usize = 38;

/// A text that is mostly short.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Brief(Kept);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kept {
    Here(u8, [u8; ROOM]),
    There(Box<str>),
}

impl From<&str> for Brief {
    fn from(text: &str) -> Brief {
        let mut bytes = [0; ROOM];
        let short = bytes.get_mut(..text.len()).zip(u8::try_from(text.len()).ok());
        Brief(match short {
            Some((room, length)) => {
                room.copy_from_slice(text.as_bytes());
                Kept::Here(length, bytes)
            }
            None => Kept::There(text.into()),
        })
    }
}

impl Deref for Brief {
    type Target = str;
    fn deref(&self) -> &str {
        match &self.0 {
            Kept::Here(length, bytes) => {
                std::str::from_utf8(&bytes[..usize::from(*length)]).expect("it was a text, and whole")
            }
            Kept::There(text) => text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_comes_out_as_it_went_in() {
        for length in [0, 1, ROOM - 1, ROOM, ROOM + 1, 255, 256, 257, 1000] {
            let text = "x".repeat(length);
            assert_eq!(&*Brief::from(text.as_str()), text, "{length}");
        }
        let odd = "ünïcödé@exämple.test";
        assert_eq!(&*Brief::from(odd), odd);
        assert_eq!(size_of::<Brief>(), 40);
    }
}
