//! `GET /openapi.json`: OpenAPI 3.1, made of the routes and of the types that they read and write.

use std::sync::Arc;

use axum::{
    http::header,
    response::IntoResponse,
    routing::{MethodRouter, get},
};
use bytes::Bytes;
use schemars::{SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use super::{FREE, Operation, Route, schema};
use crate::{fault::FaultBody, metrics, state::State};

pub(super) const PATH: &str = "/openapi.json";

/// The route, with the document made once.
pub(super) fn serving(routes: &[Route]) -> MethodRouter<Arc<State>> {
    let text = Bytes::from(document(routes).to_string());
    get(move || {
        let text = text.clone();
        async move { ([(header::CONTENT_TYPE, "application/json")], text).into_response() }
    })
}

fn document(routes: &[Route]) -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut generator = settings.into_generator();
    let fault = schema::<FaultBody>(&mut generator);
    let mut paths = Map::new();
    for route in routes {
        let operations = route.operations.iter();
        let path: Map<String, Value> = operations
            .map(|operation| {
                (
                    operation.method.to_owned(),
                    said(route, operation, &mut generator),
                )
            })
            .collect();
        paths.insert(route.path.to_owned(), path.into());
    }
    let own = json!({
        "summary": "This document",
        "responses": {"200": {"description": "OK", "content": {"application/json": {"schema": {"type": "object"}}}}},
    });
    paths.insert(PATH.to_owned(), json!({"get": own}));
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "infalign serve",
            "summary": "Calibrated, transformed rewards for trainers",
            "version": env!("CARGO_PKG_VERSION"),
            "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
        },
        "security": [{"bearer": []}, {}],
        "paths": paths,
        "components": {
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
            "responses": {"Fault": {
                "description": "What is wrong",
                "content": {"application/json": {"schema": fault}},
            }},
            "schemas": generator.take_definitions(true),
        },
    })
}

fn said(route: &Route, operation: &Operation, generator: &mut SchemaGenerator) -> Value {
    let content = match operation.answer {
        Some(answer) => json!({"application/json": {"schema": answer(generator)}}),
        None => json!({metrics::CONTENT_TYPE: {"schema": {"type": "string"}}}),
    };
    let mut said = json!({
        "summary": operation.summary,
        "responses": {
            "200": {"description": "OK", "content": content},
            "default": {"$ref": "#/components/responses/Fault"},
        },
    });
    if let Some(request) = operation.request {
        let schema = request(generator);
        said["requestBody"] =
            json!({"required": true, "content": {"application/json": {"schema": schema}}});
    }
    if let Some(parameters) = operation.parameters {
        said["parameters"] = parameters();
    }
    if FREE.contains(&route.path) {
        said["security"] = json!([]);
    }
    said
}
