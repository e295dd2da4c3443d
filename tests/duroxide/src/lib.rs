//! Nothing but tests: the provider of the feature `duroxide` under duroxide's own validations.
