# The ledger: a row an experiment and recipe, as `python -m ssd_training.ledger` reads and writes it.
resource "aws_dynamodb_table" "ledger" {
  name                        = var.table_name
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "experiment_id"
  range_key                   = "fingerprint"
  deletion_protection_enabled = var.keep_data

  attribute {
    name = "experiment_id"
    type = "S"
  }

  attribute {
    name = "fingerprint"
    type = "S"
  }

  server_side_encryption {
    enabled = true
  }

  point_in_time_recovery {
    enabled = true
  }
}
