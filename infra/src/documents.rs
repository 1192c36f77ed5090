//! The files of an application that are for people and other tools: the
//! manifest, definitions, schemas and source maps.
//!
//! ```text
//! stepwright.json                  the manifest
//! asl/<workflow>.asl.json          the definition, byte for byte
//! source-maps/<workflow>.json      state → file:line
//! schemas/workflows/<w>.input.json what an execution is started with
//! schemas/functions/<f>.input.json what a function is called with
//! schemas/functions/<f>.output.json what it answers
//! ```

use crate::assembly::File;
use crate::manifest::Manifest;

/// The name of the file that marks a folder as written by `synth`.
pub const MANIFEST_FILE: &str = "stepwright.json";

/// The files of a manifest.
///
/// # Errors
/// None in practice: every value is JSON already.
pub fn documents(manifest: &Manifest) -> Result<Vec<File>, serde_json::Error> {
    let json =
        |value: &serde_json::Value| Ok::<_, serde_json::Error>(serde_json::to_string_pretty(value)? + "\n");
    let mut files = vec![File::new(MANIFEST_FILE, manifest.to_json()?)];
    for workflow in &manifest.workflows {
        let name = &workflow.name;
        files.push(File::new(format!("asl/{name}.asl.json"), workflow.definition.as_bytes()));
        let source_map = serde_json::to_string_pretty(&workflow.source_map)? + "\n";
        files.push(File::new(format!("source-maps/{name}.json"), source_map));
        files.push(File::new(format!("schemas/workflows/{name}.input.json"), json(&workflow.input_schema)?));
    }
    for function in &manifest.functions {
        let name = &function.name;
        files.push(File::new(format!("schemas/functions/{name}.input.json"), json(&function.input_schema)?));
        files
            .push(File::new(format!("schemas/functions/{name}.output.json"), json(&function.output_schema)?));
    }
    Ok(files)
}
