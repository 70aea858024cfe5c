//! Protobuf's wire format, field by field.

use crate::Unusual;

/// A field's value as it lies there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Field<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
    Fixed32,
}

/// The fields of a message that are left.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'a>(pub(crate) &'a [u8]);

impl<'a> Fields<'a> {
    /// The next field's number and value; `None` at the end.
    ///
    /// # Errors
    /// [`Unusual`] for what is cut off, for numbers out of range and for groups, which nobody has written for years.
    #[inline]
    pub(crate) fn next(&mut self) -> Result<Option<(u32, Field<'a>)>, Unusual> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let key = u32::try_from(self.varint()?).map_err(|_| Unusual)?;
        let field = match key & 7 {
            0 => Field::Varint(self.varint()?),
            1 => Field::Fixed64(u64::from_le_bytes(self.array()?)),
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_| Unusual)?;
                let (bytes, rest) = self.0.split_at_checked(length).ok_or(Unusual)?;
                self.0 = rest;
                Field::Bytes(bytes)
            }
            5 => {
                self.array::<4>()?;
                Field::Fixed32
            }
            _ => return Err(Unusual),
        };
        match key >> 3 {
            0 => Err(Unusual),
            number => Ok(Some((number, field))),
        }
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], Unusual> {
        let (bytes, rest) = self.0.split_first_chunk::<N>().ok_or(Unusual)?;
        self.0 = rest;
        Ok(*bytes)
    }

    #[inline]
    fn varint(&mut self) -> Result<u64, Unusual> {
        let (&first, rest) = self.0.split_first().ok_or(Unusual)?;
        if first < 0x80 {
            self.0 = rest;
            return Ok(u64::from(first));
        }
        self.long_varint()
    }

    fn long_varint(&mut self) -> Result<u64, Unusual> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let [byte] = self.array::<1>()?;
            // The tenth byte has room for one bit.
            if shift == 63 && byte > 1 {
                return Err(Unusual);
            }
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Unusual)
    }
}

/// Text of a field that holds text.
#[inline]
pub(crate) fn text(field: Field<'_>) -> Result<&str, Unusual> {
    std::str::from_utf8(bytes(field)?).map_err(|_| Unusual)
}

#[inline]
pub(crate) fn bytes(field: Field<'_>) -> Result<&[u8], Unusual> {
    if let Field::Bytes(bytes) = field { Ok(bytes) } else { Err(Unusual) }
}

#[inline]
pub(crate) fn fixed64(field: Field<'_>) -> Result<u64, Unusual> {
    if let Field::Fixed64(value) = field { Ok(value) } else { Err(Unusual) }
}

#[inline]
pub(crate) fn varint(field: Field<'_>) -> Result<u64, Unusual> {
    if let Field::Varint(value) = field { Ok(value) } else { Err(Unusual) }
}

/// The words of a packed field of eight bytes each.
pub(crate) fn words(bytes: &[u8]) -> impl ExactSizeIterator<Item = u64> + Clone + '_ {
    bytes.as_chunks::<8>().0.iter().map(|word| u64::from_le_bytes(*word))
}
