//! ZIP files (APPNOTE 6.3) with uncompressed entries: what goes into them here is small, or compressed already.
use crate::{
    error::{Error, Result},
    model::time::Time,
};
use jiff::{Timestamp, tz::TimeZone};

/// Version 2.0, which every program reads.
const VERSION: u16 = 20;
/// Names are UTF-8.
const UTF8: u16 = 1 << 11;
/// Neither compressed nor encrypted.
const STORED: u16 = 0;

#[derive(Default)]
pub struct Zip {
    /// The entries, each behind its local file header.
    body: Vec<u8>,
    /// The central directory: written behind the entries.
    directory: Vec<u8>,
    count: usize,
}

impl Zip {
    pub fn add(&mut self, name: &str, modified: Time, content: &[u8]) -> Result<()> {
        let offset = size(self.body.len())?;
        let (length, name_length) = (size(content.len())?, short(name.len())?);
        let (time, date) = dos_time(modified);
        let mut header = vec![];
        for number in [VERSION, UTF8, STORED, time, date] {
            header.extend(number.to_le_bytes());
        }
        for number in [crc32fast::hash(content), length, length] {
            header.extend(number.to_le_bytes());
        }
        header.extend(name_length.to_le_bytes());
        // No extra fields.
        header.extend([0; 2]);

        self.body.extend(b"PK\x03\x04");
        self.body.extend(&header);
        self.body.extend(name.as_bytes());
        self.body.extend(content);

        self.directory.extend(b"PK\x01\x02");
        self.directory.extend(VERSION.to_le_bytes());
        self.directory.extend(&header);
        // No comment, the first disk, no attributes.
        self.directory.extend([0; 10]);
        self.directory.extend(offset.to_le_bytes());
        self.directory.extend(name.as_bytes());
        self.count += 1;
        Ok(())
    }
    pub fn finish(self) -> Result<Vec<u8>> {
        let Zip { mut body, directory, count } = self;
        let (offset, length, count) = (size(body.len())?, size(directory.len())?, short(count)?);
        body.extend(directory);
        body.extend(b"PK\x05\x06");
        // One disk.
        body.extend([0; 4]);
        for number in [count, count] {
            body.extend(number.to_le_bytes());
        }
        for number in [length, offset] {
            body.extend(number.to_le_bytes());
        }
        // No comment.
        body.extend([0; 2]);
        Ok(body)
    }
}

fn size(number: usize) -> Result<u32> {
    u32::try_from(number).map_err(|_| Error::Internal("a ZIP file of more than 4 GiB".into()))
}

fn short(number: usize) -> Result<u16> {
    u16::try_from(number).map_err(|_| Error::Internal("a ZIP file of more than 65,535 entries".into()))
}

/// Time and date in the format of MS-DOS: steps of two seconds, from 1980 on. Ours are in UTC.
fn dos_time(at: Time) -> (u16, u16) {
    let at = Timestamp::from_microsecond(at.0).unwrap_or_default().to_zoned(TimeZone::UTC);
    let part = |number: i16| u16::try_from(number).unwrap_or(0);
    let part8 = |number: i8| part(i16::from(number));
    let years = part(at.year() - 1980).min(127);
    let date = years << 9 | part8(at.month()) << 5 | part8(at.day());
    let time = part8(at.hour()) << 11 | part8(at.minute()) << 5 | (part8(at.second()) / 2);
    (time, date)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Python's `zipfile` writes the same files, and marks their names as UTF-8.
    #[test]
    fn files_are_as_other_programs_write_them() {
        let at = Time::parse("2026-11-01T12:34:56Z").expect("an instant");
        let mut zip = Zip::default();
        zip.add("a.csv", at, b"1,2\r\n").expect("room");
        zip.add("ü.txt", at, b"").expect("room");
        let hex: String = zip.finish().expect("a file").iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, GOLDEN);
    }
    const GOLDEN: &str = "504b03041400000800005c64615d00d013c2050000000500000005000000612e637376312c320d0a504b030414000008\
        00005c64615d00000000000000000000000006000000c3bc2e747874504b010214001400000800005c64615d00d013c2\
        0500000005000000050000000000000000000000000000000000612e637376504b010214001400000800005c64615d00\
        0000000000000000000000060000000000000000000000000028000000c3bc2e747874504b0506000000000200020067\
        0000004c0000000000";

    #[test]
    fn a_day_out_of_range_is_the_nearest_one_it_can_say() {
        let of = |text| dos_time(Time::parse(text).expect("an instant"));
        assert_eq!(of("1980-01-01T00:00:00Z"), (0, 0x21));
        assert_eq!(of("2026-11-01T12:34:56Z"), (0x645c, 0x5d61));
        assert_eq!(of("1970-01-01T00:00:00Z").1 >> 9, 0);
        assert_eq!(of("2200-01-01T00:00:00Z").1 >> 9, 127);
    }
}
