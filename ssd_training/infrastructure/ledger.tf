# The ledger: a row an experiment and recipe, as `python -m ssd_training.ledger` reads and writes it.
resource "aws_dynamodb_table" "ledger" {
  # checkov:skip=CKV_AWS_119: AWS' managed key; one's own costs, and each machine would need a right to it
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

  attribute {
    name = "queue"
    type = "S"
  }

  attribute {
    name = "rank"
    type = "S"
  }

  # What is over is in no queue, and not in here.
  global_secondary_index {
    name               = "queue-index"
    hash_key           = "queue"
    range_key          = "rank"
    projection_type    = "INCLUDE"
    non_key_attributes = ["depends_on"]
  }

  server_side_encryption {
    enabled = true
  }

  point_in_time_recovery {
    enabled = true
  }
}
