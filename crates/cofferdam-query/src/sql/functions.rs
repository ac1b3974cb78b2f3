//! The functions of one value: the engine's, without those that make long texts out of nothing, and two for JSON of ours.
//!
//! `properties_rest` holds what has no column of its own as a JSON object; these reach into it.
//! Invariant: a function only computes from what it is given, or tells the time.

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Float64Builder, StringViewBuilder};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::SessionStateDefaults;
use datafusion::logical_expr::{
    ColumnarValue, DocSection, Documentation, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature, Volatility,
};
use serde_json::Value as Json;
use std::sync::Arc;

/// A few letters of a query become gigabytes by these; texts are not counted against the memory limit.
const LEFT_OUT: [&str; 3] = ["repeat", "lpad", "rpad"];

/// All of them.
pub(super) fn scalar() -> Vec<Arc<ScalarUDF>> {
    let engine = SessionStateDefaults::default_scalar_functions();
    let own = [Member::text(), Member::number()].map(|member| Arc::new(ScalarUDF::from(member)));
    engine
        .into_iter()
        .filter(|function| !LEFT_OUT.contains(&function.name()))
        .chain(own)
        .collect()
}

/// A member of a JSON object by its name.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Member {
    name: &'static str,
    signature: Signature,
    is_number: bool,
    documentation: Documentation,
}

impl Member {
    fn text() -> Self {
        Self::new(
            "json_text",
            false,
            "The member of a JSON object as text: texts as they are, everything else as JSON; null where there is none.",
        )
    }

    fn number() -> Self {
        Self::new(
            "json_number",
            true,
            "The member of a JSON object as a number; null where there is none, or it is no number.",
        )
    }

    fn new(name: &'static str, is_number: bool, description: &str) -> Self {
        let syntax = format!("{name}(json, 'name')");
        let documentation = Documentation::builder(
            DocSection {
                include: false,
                label: "JSON",
                description: None,
            },
            description,
            syntax,
        );
        Self {
            name,
            is_number,
            signature: Signature::string(2, Volatility::Immutable),
            documentation: documentation.build(),
        }
    }
}

impl ScalarUDFImpl for Member {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(if self.is_number {
            DataType::Float64
        } else {
            DataType::Utf8View
        })
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.documentation)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let [json, names] = arrays.as_slice() else {
            return Err(DataFusionError::Execution(format!(
                "{} takes an object and a name",
                self.name
            )));
        };
        let json = cast(json, &DataType::Utf8View)?;
        let names = cast(names, &DataType::Utf8View)?;
        let members = json
            .as_string_view()
            .iter()
            .zip(names.as_string_view().iter())
            .map(|(json, name)| member(json?, name?));
        let found: ArrayRef = if self.is_number {
            let mut numbers = Float64Builder::with_capacity(json.len());
            members
                .for_each(|member| numbers.append_option(member.as_ref().and_then(Json::as_f64)));
            Arc::new(numbers.finish())
        } else {
            let mut texts = StringViewBuilder::with_capacity(json.len());
            members.for_each(|member| {
                texts.append_option(member.map(|member| match member {
                    Json::String(text) => text,
                    other => other.to_string(),
                }));
            });
            Arc::new(texts.finish())
        };
        Ok(ColumnarValue::Array(found))
    }
}

fn member(json: &str, name: &str) -> Option<Json> {
    let object: serde_json::Map<String, Json> = serde_json::from_str(json).ok()?;
    object.get(name).filter(|member| !member.is_null()).cloned()
}
