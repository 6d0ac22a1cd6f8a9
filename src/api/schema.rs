//! The shapes of what the rest of the tree serializes, for the OpenAPI document. The types know nothing of it: the pure
//! half does not describe itself for HTTP.

use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        KnownFormat, Object, ObjectBuilder, OneOfBuilder, RefOr, Schema, SchemaFormat,
        schema::{ArrayBuilder, SchemaType, Type},
    },
};

use super::problem::Problem;
use crate::{
    app::{Header, Leaf, Level, Proof, Status},
    config::{ApplicationName, ClientSignatures},
    protocol::{
        self, Checkpoint, Counted, Drawing, Evidence, PictureKind, PictureMessage, ProtocolName, StableCheckpoint,
        Voucher,
    },
    replica::{Attestation, CertificateDocument, CheckpointDocument, StateProofDocument},
    types::{Digest, Height, Octets, Power, PublicKey, Signature, ValidatorIndex},
};

/// A body of raw bytes.
pub struct Raw;

macro_rules! schemas {
    ($($type:ty => $schema:expr;)*) => {$(
        impl PartialSchema for $type {
            fn schema() -> RefOr<Schema> {
                $schema.into()
            }
        }

        impl ToSchema for $type {}
    )*};
}

schemas! {
    Raw => text().format(Some(SchemaFormat::KnownFormat(KnownFormat::Binary))).build();
    Height => whole();
    Power => whole();
    ValidatorIndex => whole();
    Digest => hexadecimal(32);
    PublicKey => hexadecimal(32);
    Signature => hexadecimal(64);
    Octets => text().pattern(Some("^([0-9a-f]{2})*$")).build();
    Status => text().enum_values(Some(["applied", "refused", "conflict", "expired"])).build();
    ProtocolName => text().enum_values(Some(Self::ALL.map(Self::as_str))).build();
    ClientSignatures => text().enum_values(Some(Self::ALL.map(Self::as_str))).build();
    ApplicationName => text().enum_values(Some(Self::ALL.map(Self::as_str))).build();
    protocol::View => object([
        ("round", whole().into()),
        ("leader", nullable(ValidatorIndex::schema())),
        ("is_wanted", flag()),
        ("voters", list(ValidatorIndex::schema())),
        ("is_decided", flag()),
        ("messages", whole().into()),
        ("unverified", whole().into()),
        ("next_leader", nullable(ValidatorIndex::schema())),
    ]);
    PictureKind => text().enum_values(Some(Self::ALL.map(Self::as_str))).build();
    PictureMessage => object([
        ("id", Digest::schema()),
        ("kind", PictureKind::schema()),
        ("round", whole().into()),
        ("leader", ValidatorIndex::schema()),
        ("parent", nullable(Digest::schema())),
        ("votes", list(ValidatorIndex::schema())),
        ("commits", list(ValidatorIndex::schema())),
        ("is_notarized", flag()),
        ("is_decided", flag()),
    ]);
    Counted => object([
        ("validator", ValidatorIndex::schema()),
        ("round", whole().into()),
        ("after_ms", whole().into()),
    ]);
    Drawing => object([
        ("height", Height::schema()),
        ("instance", Digest::schema()),
        ("began_at_ms", whole().into()),
        ("decided_after_ms", nullable(whole().into())),
        ("ballots", list(Counted::schema())),
        ("round", whole().into()),
        ("leader", nullable(ValidatorIndex::schema())),
        ("is_decided", flag()),
        ("messages", list(PictureMessage::schema())),
        ("messages_left_out", whole().into()),
    ]);
    Evidence => object([]);
    Header => object([
        ("height", Height::schema()),
        ("parent", Digest::schema()),
        ("payload_root", Digest::schema()),
        ("time_ms", whole().into()),
        ("state_root", Digest::schema()),
    ]);
    CertificateDocument => object([
        ("chain", Digest::schema()),
        ("height", Height::schema()),
        ("instance", Digest::schema()),
        ("history", Digest::schema()),
        ("payload_root", Digest::schema()),
        ("header", Header::schema()),
        ("certificate", object([]).into()),
    ]);
    Level => object([("siblings", whole().into()), ("hashes", list(Digest::schema()))]);
    Leaf => object([("key", Digest::schema()), ("value", Digest::schema())]);
    Proof => object([("levels", list(Level::schema())), ("leaves", list(Leaf::schema()))]);
    Voucher => object([("signer", ValidatorIndex::schema()), ("signature", Signature::schema())]);
    Checkpoint => object([
        ("height", Height::schema()),
        ("header", Digest::schema()),
        ("state_root", Digest::schema()),
    ]);
    StableCheckpoint => object([("checkpoint", Checkpoint::schema()), ("vouchers", list(Voucher::schema()))]);
    CheckpointDocument => object([
        ("chain", Digest::schema()),
        ("history", Digest::schema()),
        ("stable", StableCheckpoint::schema()),
    ]);
    Attestation => {
        let checkpoint = object([("checkpoint", CheckpointDocument::schema()), ("headers", list(Header::schema()))]);
        let by_history = object([("history", CertificateDocument::schema())]);
        let by_checkpoint = object([("checkpoint", checkpoint.into())]);
        Schema::OneOf(OneOfBuilder::new().item(by_history).item(by_checkpoint).build())
    };
    StateProofDocument => object([
        ("key", Octets::schema()),
        ("value", nullable(Octets::schema())),
        ("header", Header::schema()),
        ("proof", Proof::schema()),
        ("attestation", Attestation::schema()),
    ]);
    Problem => {
        let status = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(400)).maximum(Some(599)).build();
        let mut problem = object([
            ("type", text().pattern(Some("^urn:thalweg:problem:[a-z-]+$")).build().into()),
            ("title", text().build().into()),
            ("status", status.into()),
            ("detail", text().build().into()),
        ]);
        problem.properties.insert("id".to_owned(), Digest::schema());
        problem.properties.insert("height".to_owned(), Height::schema());
        problem
    };
}

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

fn whole() -> Object {
    ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0)).build()
}

fn flag() -> RefOr<Schema> {
    ObjectBuilder::new().schema_type(Type::Boolean).build().into()
}

fn hexadecimal(bytes: usize) -> Object {
    text().pattern(Some(format!("^[0-9a-f]{{{}}}$", 2 * bytes))).build()
}

fn list(items: RefOr<Schema>) -> RefOr<Schema> {
    Schema::Array(ArrayBuilder::new().items(items).build()).into()
}

fn nullable(schema: RefOr<Schema>) -> RefOr<Schema> {
    let null = ObjectBuilder::new().schema_type(SchemaType::new(Type::Null)).build();
    Schema::OneOf(OneOfBuilder::new().item(schema).item(null).build()).into()
}

/// An object that always has all of these.
fn object<const COUNT: usize>(members: [(&str, RefOr<Schema>); COUNT]) -> Object {
    let start = ObjectBuilder::new().schema_type(Type::Object);
    members.into_iter().fold(start, |object, (name, schema)| object.property(name, schema).required(name)).build()
}
