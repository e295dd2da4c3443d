//! duroxide's validations of a provider, each by its name, on stores in files that are verified afterwards.

mod factory;
mod long_polling;
mod validations;
