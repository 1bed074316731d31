"""Training reward models with TRL; torch lives here."""
