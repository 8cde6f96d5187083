//! The page "Persons of Interest".
