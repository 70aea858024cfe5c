//! The JSON Schema of a message, with its comments as descriptions.

use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet};

/// The number of `message_type` in a file's descriptor, and of `field` in a message's: comments are found by paths of
/// such numbers.
const MESSAGES: i32 = 4;
const FIELDS: i32 = 2;

/// The schema of a message of plain fields, with all of them required and no others allowed, as servers want it that
/// enforce schemas. Fields keep their order: a model answers in it.
pub(crate) fn of(files: &FileDescriptorSet, package: &str, name: &str) -> Result<String, String> {
    let in_package = files.file.iter().filter(|file| file.package() == package);
    let found =
        in_package.flat_map(|file| (0..).zip(&file.message_type).map(move |(place, message)| (file, place, message)));
    let (file, place, message) = found
        .into_iter()
        .find(|(_, _, message)| message.name() == name)
        .ok_or_else(|| format!("there is no message {package}.{name}"))?;
    object(file, place, message)
}

fn object(file: &FileDescriptorProto, place: i32, message: &DescriptorProto) -> Result<String, String> {
    let (mut properties, mut required) = (Vec::new(), Vec::new());
    for (number, field) in (0..).zip(&message.field) {
        let description = quoted(&comment(file, &[MESSAGES, place, FIELDS, number]));
        let name = quoted(field.name());
        properties.push(format!("{name}:{{\"description\":{description},{}}}", kind(field)?));
        required.push(name);
    }
    Ok(format!(
        "{{\"type\":\"object\",\"properties\":{{{}}},\"required\":[{}],\"additionalProperties\":false}}",
        properties.join(","),
        required.join(",")
    ))
}

fn kind(field: &FieldDescriptorProto) -> Result<String, String> {
    let one = match field.r#type() {
        Type::String => "\"type\":\"string\"",
        Type::Double => "\"type\":\"number\"",
        other => return Err(format!("{} is a {other:?}, which no answer has yet", field.name())),
    };
    Ok(match field.label() {
        Label::Repeated => format!("\"type\":\"array\",\"items\":{{{one}}}"),
        _ => one.to_owned(),
    })
}

fn comment(file: &FileDescriptorProto, path: &[i32]) -> String {
    let places = file.source_code_info.iter().flat_map(|info| &info.location);
    let text = places.filter(|place| place.path == path).map(|place| place.leading_comments()).collect::<String>();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
