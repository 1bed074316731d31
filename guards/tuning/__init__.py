"""From labelled texts to thresholds that keep a promised rate of false alarms."""
