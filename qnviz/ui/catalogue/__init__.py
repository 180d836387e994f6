"""The page of methods: what each is, costs and needs, and when it fails."""
