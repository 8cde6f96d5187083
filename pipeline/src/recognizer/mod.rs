//! The recognizer over gRPC: its v1 contract, or else the original one.
