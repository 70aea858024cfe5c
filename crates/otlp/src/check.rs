//! Whether parts of a request that nobody reads here are well formed: what decodes the whole would refuse it for them.

use crate::Unusual;
use crate::wire::{Field, Fields};

/// Messages deeper than this are left to a decoder that counts levels its own way.
const DEPTH_MAX: usize = 16;

/// What a message's fields hold, by their numbers. Others are passed over, as decoders do.
pub(crate) struct Schema(&'static [(u32, Holds)]);

enum Holds {
    Varint,
    Fixed64,
    Text,
    Bytes,
    Message(&'static Schema),
}

static ANY_VALUE: Schema = Schema(&[
    (1, Holds::Text),
    (2, Holds::Varint),
    (3, Holds::Varint),
    (4, Holds::Fixed64),
    (5, Holds::Message(&ARRAY_VALUE)),
    (6, Holds::Message(&KEY_VALUES)),
    (7, Holds::Bytes),
    (8, Holds::Varint),
]);
static ARRAY_VALUE: Schema = Schema(&[(1, Holds::Message(&ANY_VALUE))]);
static KEY_VALUES: Schema = Schema(&[(1, Holds::Message(&KEY_VALUE))]);
pub(crate) static KEY_VALUE: Schema = Schema(&[(1, Holds::Text), (2, Holds::Message(&ANY_VALUE)), (3, Holds::Varint)]);
static ENTITY: Schema = Schema(&[(1, Holds::Text), (2, Holds::Text), (3, Holds::Text), (4, Holds::Text)]);
pub(crate) static RESOURCE: Schema =
    Schema(&[(1, Holds::Message(&KEY_VALUE)), (2, Holds::Varint), (3, Holds::Message(&ENTITY))]);
pub(crate) static SCOPE: Schema =
    Schema(&[(1, Holds::Text), (2, Holds::Text), (3, Holds::Message(&KEY_VALUE)), (4, Holds::Varint)]);
pub(crate) static EXEMPLAR: Schema = Schema(&[
    (2, Holds::Fixed64),
    (3, Holds::Fixed64),
    (4, Holds::Bytes),
    (5, Holds::Bytes),
    (6, Holds::Fixed64),
    (7, Holds::Message(&KEY_VALUE)),
]);

/// Whether a field is a well-formed message of this kind.
pub(crate) fn message(field: Field<'_>, schema: &Schema) -> Result<(), Unusual> {
    within(field, schema, DEPTH_MAX)
}

fn within(field: Field<'_>, schema: &Schema, depth: usize) -> Result<(), Unusual> {
    let (Field::Bytes(bytes), Some(deeper)) = (field, depth.checked_sub(1)) else { return Err(Unusual) };
    let mut fields = Fields(bytes);
    while let Some((number, field)) = fields.next()? {
        let Some((_, holds)) = schema.0.iter().find(|(known, _)| *known == number) else { continue };
        match (holds, field) {
            (Holds::Varint, Field::Varint(_))
            | (Holds::Fixed64, Field::Fixed64(_))
            | (Holds::Bytes, Field::Bytes(_)) => {}
            (Holds::Text, Field::Bytes(text)) => drop(std::str::from_utf8(text).map_err(|_| Unusual)?),
            (Holds::Message(schema), field) => within(field, schema, deeper)?,
            _ => return Err(Unusual),
        }
    }
    Ok(())
}
