//! Whether an answer has the shape that was asked for.

use llm_sre_domain::advise::Stated;
use llm_sre_proto::MODEL_ANSWER_SCHEMA;
use llm_sre_proto::diagnosis::v1;
use serde_json::{Map, Value};

/// The answer, or what is wrong with it in a sentence that names the field. Nothing of it is guessed.
pub(super) fn parse(text: &str) -> Result<Stated, String> {
    let value: Value = serde_json::from_str(text).map_err(|error| format!("it is no JSON: {error}"))?;
    let Value::Object(fields) = value else { return Err("it is no JSON object".to_owned()) };
    check(&fields)?;
    let answer: v1::ModelAnswer =
        serde_json::from_value(Value::Object(fields)).map_err(|error| format!("it cannot be read: {error}"))?;
    if !(0.0..=1.0).contains(&answer.confidence) {
        return Err(format!("`confidence` is {}, which is not from 0 to 1", answer.confidence));
    }
    Ok(Stated {
        evidence_ids: answer.evidence_ids,
        hypothesis_ids: answer.hypothesis_ids,
        root_cause: answer.root_cause,
        immediate_fix: answer.immediate_fix,
        long_term_fix: answer.long_term_fix,
        proposed_action: answer.proposed_action,
        confidence: answer.confidence,
    })
}

/// Every field of the schema with its type, and no other: proto3 JSON alone takes what is absent for empty.
fn check(fields: &Map<String, Value>) -> Result<(), String> {
    let schema: Value = serde_json::from_str(MODEL_ANSWER_SCHEMA).map_err(|error| format!("no schema: {error}"))?;
    let Some(properties) = schema["properties"].as_object() else { return Err("the schema has no fields".to_owned()) };
    for (name, property) in properties {
        let Some(value) = fields.get(name) else { return Err(format!("`{name}` is missing")) };
        let is_right = match property["type"].as_str() {
            Some("string") => value.is_string(),
            Some("number") => value.is_number(),
            Some("array") => value.as_array().is_some_and(|items| items.iter().all(Value::is_string)),
            _ => false,
        };
        if !is_right {
            return Err(format!("`{name}` is no {}", property["type"].as_str().unwrap_or_default()));
        }
    }
    match fields.keys().find(|name| !properties.contains_key(*name)) {
        // Its name is the model's, and may be anything.
        Some(_) => Err("it has a field that was not asked for".to_owned()),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn good() -> Value {
        json!({
            "evidence_ids": ["e1"], "hypothesis_ids": ["h1"], "root_cause": "a", "immediate_fix": "b",
            "long_term_fix": "c", "proposed_action": "", "confidence": 0.5,
        })
    }

    #[test]
    fn the_schema_is_the_contract_s_in_its_order() {
        let names = ["evidence_ids", "hypothesis_ids", "root_cause", "immediate_fix", "long_term_fix"];
        let places = names.iter().chain(&["proposed_action", "confidence"]);
        let places: Vec<_> = places.map(|name| MODEL_ANSWER_SCHEMA.find(&format!("\"{name}\":{{"))).collect();
        assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{places:?} in {MODEL_ANSWER_SCHEMA}");
        let schema: Value = serde_json::from_str(MODEL_ANSWER_SCHEMA).unwrap();
        assert_eq!(schema["required"].as_array().unwrap().len(), 7);
        assert_eq!(schema["additionalProperties"], json!(false));
        let described = |field: &Value| field["description"].as_str().is_some_and(|text| !text.is_empty());
        assert!(schema["properties"].as_object().unwrap().values().all(described), "{schema}");
    }

    #[test]
    fn an_answer_of_that_shape_is_read() {
        assert_eq!(parse(&good().to_string()).unwrap().evidence_ids, ["e1"]);
    }

    #[test]
    fn every_other_answer_is_refused_with_what_is_wrong() {
        for (field, value) in good().as_object().unwrap() {
            let mut answer = good();
            answer.as_object_mut().unwrap().remove(field);
            assert!(parse(&answer.to_string()).unwrap_err().contains(&format!("`{field}` is missing")));
            for other in [json!(null), json!({}), json!(true), json!([1])] {
                let mut answer = good();
                answer[field] = other;
                assert!(parse(&answer.to_string()).unwrap_err().contains(field), "{answer}");
            }
            let mut answer = good();
            answer[field] = if value.is_number() { json!("1") } else { json!(1) };
            assert!(parse(&answer.to_string()).unwrap_err().contains(field), "{answer}");
        }
        for confidence in [-0.1, 1.1, 1e300] {
            let mut answer = good();
            answer["confidence"] = json!(confidence);
            assert!(parse(&answer.to_string()).unwrap_err().contains("confidence"));
        }
        let mut more = good();
        more["command"] = json!("rm");
        assert!(parse(&more.to_string()).is_err());
        for text in ["", "null", "[]", "\"x\"", "{", "```json\n{}\n```", &format!("{} and so on", good())] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
